//! Types for the numbers that rows are known by, so that one is not taken for another's.
//!
//! A number becomes one at the doors only: read from a row, or out of a request.

use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlResult, ToSqlOutput, ValueRef};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($name:ident: $of:literal;)*) => {$(
        #[doc = concat!("The number of ", $of, " in its table. In JSON and SQL it is that number.")]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(i64);

        impl $name {
            /// Of a row that is not written yet: rows count from 1.
            pub const UNWRITTEN: Self = Self(0);

            pub const fn new(number: i64) -> Self {
                Self(number)
            }

            /// For the log.
            pub const fn number(self) -> i64 {
                self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<$name> for i64 {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                i64::schema_name()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                i64::json_schema(generator)
            }
        }

        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                self.0.to_sql()
            }
        }

        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                i64::column_result(value).map(Self)
            }
        }
    )*};
}

ids! {
    DesktopGroupId: "a desktop group";
    DiskId: "a disk of a template";
    EducationGroupId: "an education group";
    LineId: "a line of the audit log";
    NetworkId: "a data network";
    NodeId: "a node";
    OperationId: "an operation";
    PoolId: "a resource pool";
    RoleId: "a role";
    SessionId: "a session";
    SubnetId: "a subnet";
    SwitchId: "a virtual switch";
    TemplateId: "a template";
    UserGroupId: "a user group";
    UserId: "a user";
}
