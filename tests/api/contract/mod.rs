//! The five documents as contracts: which operations there are, which of them are served, and that the
//! served ones answer. Fields of answers are asserted where scenarios create the objects, with
//! `Answer::documented`.

mod operations;
mod refusals;
mod routes;
mod scenario;
mod table;
