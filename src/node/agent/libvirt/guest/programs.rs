//! What is begun in guests, in the words of their agent's `guest-exec`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::node::protocol::{GuestScript, SCRIPT_OUTPUT, Shell};

/// A program with its input; what it prints is caught.
pub struct Program {
    path: &'static str,
    arguments: Vec<String>,
    environment: Vec<String>,
    input: Option<String>,
}

impl Program {
    pub fn arguments(&self) -> Value {
        let mut arguments =
            json!({"path": self.path, "arg": self.arguments, "capture-output": true});
        if !self.environment.is_empty() {
            arguments["env"] = json!(self.environment);
        }
        if let Some(input) = &self.input {
            arguments["input-data"] = json!(STANDARD.encode(input));
        }
        arguments
    }
}

/// What an agent under Linux hands on in the place of its own environment.
const ENVIRONMENT: [&str; 3] = [
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "LC_ALL=C.UTF-8",
];

/// The name for now and for the next start of a system that is kept; `sudo` and others look for it in `/etc/hosts`.
const SET_HOST_NAME: &str = r#"name=$1
if command -v hostnamectl >/dev/null && hostnamectl set-hostname "$name"; then :; else
  if [ -d /etc ]; then echo "$name" >/etc/hostname; fi
  hostname "$name" || exit 1
fi
if grep -q '^127\.0\.1\.1' /etc/hosts 2>/dev/null; then
  sed -i "s/^127\.0\.1\.1.*/127.0.1.1 $name/" /etc/hosts
fi
[ "$(hostname)" = "$name" ]
"#;

/// `Rename-Computer` asks for a restart, which a desktop that is restored would begin again with the old name: so what
/// Windows reads at its start is set, too, for programs that ask from now on.
const RENAME_COMPUTER: &str = r"$ErrorActionPreference = 'Stop'
if ($env:COMPUTERNAME -ne $name) { Rename-Computer -NewName $name -Force -WarningAction SilentlyContinue }
$control = 'HKLM:\SYSTEM\CurrentControlSet\Control\ComputerName'
$tcpip = 'HKLM:\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters'
Set-ItemProperty -Path $control\ActiveComputerName -Name ComputerName -Value $name
Set-ItemProperty -Path $tcpip -Name Hostname -Value $name
Set-ItemProperty -Path $tcpip -Name 'NV Hostname' -Value $name
";

/// `name`: letters, digits and hyphens.
pub fn host_name(name: &str, is_windows: bool) -> Program {
    if is_windows {
        return power_shell(&format!("$name = {}\n{RENAME_COMPUTER}", quoted(name)), None);
    }
    let arguments = ["-c", SET_HOST_NAME, "sh", name];
    Program {
        path: "/bin/sh",
        arguments: arguments.map(str::to_owned).to_vec(),
        environment: ENVIRONMENT.map(str::to_owned).to_vec(),
        input: None,
    }
}

/// Writes the script to a file and runs it, by what its first line names or by `sh`. More than `$2` bytes of what it prints
/// are thrown away in the guest. After `$1` seconds it is ended there with all that it began, whoever is listening: the
/// `timeout` of some systems ends no more than the shell itself. What it leaves running when it ends in time runs on, and
/// somebody reads what that prints.
const RUN_SCRIPT: &str = r#"script=$(mktemp) && pipe=$script.pipe && mkfifo "$pipe" || exit 125
exec 2>/dev/null
cat >"$script"
by=$(sed -n '1s/^#! *//p' "$script")
if command -v timeout >/dev/null; then limit="timeout -k 10 $1"; else limit=; fi
if command -v setsid >/dev/null; then apart=setsid; else apart=; fi
{ dd bs=1 count="$2"; cat >/dev/null; } <"$pipe" >"$script.out" &
reader=$!
began=$(date +%s)
$apart sh -c 'echo $$ >"$0.group"; exec "$@"' "$script" $limit ${by:-sh} "$script" </dev/null >"$pipe" 2>&1
code=$?
case $code in 124 | 137 | 143)
  if [ $(($(date +%s) - began)) -ge "$1" ]; then
    code=124
    [ -z "$apart" ] || kill -9 -"$(cat "$script.group")"
  fi
esac
trap : USR1
(sleep 2; kill -USR1 $$) >/dev/null &
guard=$!
wait $reader
kill $guard
cat "$script.out"
rm -f "$script" "$pipe" "$script.out" "$script.group"
exit "$code"
"#;

/// As [`RUN_SCRIPT`]; `$seconds`, `$most` and the environment stand before it.
const RUN_POWER_SHELL: &str = r#"[Console]::InputEncoding = [Text.Encoding]::UTF8
[Console]::OutputEncoding = [Text.Encoding]::UTF8
$script = [IO.Path]::GetTempFileName() + '.ps1'
$out = [IO.Path]::GetTempFileName()
$err = [IO.Path]::GetTempFileName()
[IO.File]::WriteAllText($script, [Console]::In.ReadToEnd(), (New-Object Text.UTF8Encoding $true))
$run = Start-Process powershell.exe -PassThru -NoNewWindow -RedirectStandardOutput $out -RedirectStandardError $err `
  -ArgumentList '-NoProfile', '-NonInteractive', '-ExecutionPolicy', 'Bypass', '-File', "`"$script`""
$null = $run.Handle
if ($run.WaitForExit($seconds * 1000)) { $code = $run.ExitCode } else { taskkill.exe /T /F /PID $run.Id | Out-Null; $code = 124 }
$to = [Console]::OpenStandardOutput()
foreach ($file in $out, $err) {
  $from = [IO.File]::OpenRead($file)
  $bytes = New-Object byte[] $most
  $count = $from.Read($bytes, 0, $most)
  $to.Write($bytes, 0, $count)
  $most -= $count
  $from.Close()
}
Remove-Item $script, $out, $err -Force -ErrorAction SilentlyContinue
exit $code
"#;

pub fn script(script: &GuestScript) -> Program {
    let GuestScript { shell, text, variables, seconds } = script;
    // One more byte tells that there was more.
    let most = SCRIPT_OUTPUT + 1;
    match shell {
        Shell::Sh => {
            let (seconds, most) = (seconds.to_string(), most.to_string());
            let arguments = ["-c", RUN_SCRIPT, "sh", &seconds, &most];
            let variables = variables.iter().map(|(name, value)| format!("{name}={value}"));
            Program {
                path: "/bin/sh",
                arguments: arguments.map(str::to_owned).to_vec(),
                environment: ENVIRONMENT.map(str::to_owned).into_iter().chain(variables).collect(),
                input: Some(text.clone()),
            }
        }
        Shell::PowerShell => {
            let set =
                variables.iter().map(|(name, value)| format!("$env:{name} = {}\n", quoted(value)));
            let before: String = set.collect();
            let whole = format!("{before}$seconds = {seconds}\n$most = {most}\n{RUN_POWER_SHELL}");
            power_shell(&whole, Some(text.clone()))
        }
    }
}

/// The environment stays as it is: without some of it Windows starts no program.
fn power_shell(script: &str, input: Option<String>) -> Program {
    let utf16: Vec<u8> = script.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let arguments =
        ["-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-EncodedCommand"];
    let mut arguments = arguments.map(str::to_owned).to_vec();
    arguments.push(STANDARD.encode(utf16));
    Program { path: "powershell.exe", arguments, environment: Vec::new(), input }
}

/// As PowerShell reads a text in which nothing has a meaning; to it these all are quotes.
fn quoted(text: &str) -> String {
    const QUOTES: [char; 4] = ['\u{2018}', '\u{2019}', '\u{201a}', '\u{201b}'];
    let mut quoted = String::from("'");
    for character in text.chars().filter(|character| !character.is_control()) {
        quoted.push(character);
        if character == '\'' || QUOTES.contains(&character) {
            quoted.push(character);
        }
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Output, Stdio};

    use super::*;

    fn of(text: &str, seconds: u32) -> GuestScript {
        let variables = vec![("CARREL_NAME".to_owned(), "pc 'one'; $(reboot)".to_owned())];
        GuestScript { shell: Shell::Sh, text: text.to_owned(), variables, seconds }
    }

    /// As an agent runs it.
    fn run(program: &Program) -> Output {
        let mut child = Command::new(program.path)
            .args(&program.arguments)
            .env_clear()
            .envs(program.environment.iter().filter_map(|pair| pair.split_once('=')))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a shell");
        let input = program.input.clone().unwrap_or_default();
        child.stdin.take().unwrap().write_all(input.as_bytes()).expect("its input");
        child.wait_with_output().expect("its end")
    }

    #[test]
    fn a_script_runs_with_its_environment_and_its_code_comes_back() {
        let output = run(&script(&of("echo \"$CARREL_NAME\"; echo oh >&2; cat; exit 7\n", 60)));
        assert_eq!(output.status.code(), Some(7));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "pc 'one'; $(reboot)\noh\n");
        let output = run(&script(&of("#! /bin/sed -n 2p\nthe script itself\n", 60)));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "the script itself\n");
        assert_eq!(run(&script(&of("syntax ) error", 60))).status.code(), Some(2));
    }

    #[test]
    fn what_is_printed_without_end_is_cut_and_what_hangs_is_ended() {
        let output = run(&script(&of("head -c 3000000 /dev/zero; exit 3", 60)));
        assert_eq!((output.stdout.len(), output.status.code()), (SCRIPT_OUTPUT + 1, Some(3)));
        let output = run(&script(&of("echo begun; sleep 100", 1)));
        assert_eq!((output.stdout.as_slice(), output.status.code()), (&b"begun\n"[..], Some(124)));
        // What it began holds on to its output, and is ended with it.
        let output = run(&script(&of("sleep 100 & echo $!; wait", 1)));
        assert_eq!(output.status.code(), Some(124));
        let child = String::from_utf8_lossy(&output.stdout);
        let command = std::fs::read(format!("/proc/{}/cmdline", child.trim()));
        // One that nobody collects has none.
        assert!(command.unwrap_or_default().is_empty(), "{child} runs on");
    }

    #[test]
    fn a_service_that_it_starts_runs_on_and_holds_nothing_up() {
        let began = std::time::Instant::now();
        let output = run(&script(&of("sleep 100 & echo $!", 60)));
        let child = String::from_utf8_lossy(&output.stdout).trim().parse().expect("a pid");
        assert_eq!(output.status.code(), Some(0));
        assert!(began.elapsed() < std::time::Duration::from_secs(60));
        nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(child),
            nix::sys::signal::Signal::SIGKILL,
        )
        .expect("it runs");
    }

    #[test]
    fn a_service_may_print_on_when_nobody_waits_for_it_any_more() {
        let service = "(sleep 4; head -c 300000 /dev/zero && exec sleep 100) & echo $!";
        let output = run(&script(&of(service, 60)));
        assert_eq!(output.status.code(), Some(0));
        let child: i32 = String::from_utf8_lossy(&output.stdout).trim().parse().expect("a pid");
        let has_printed = || {
            std::fs::read(format!("/proc/{child}/cmdline")).expect("it runs") == b"sleep\x00100\0"
        };
        let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while !has_printed() {
            assert!(std::time::Instant::now() < end, "it prints without end");
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        let child = nix::unistd::Pid::from_raw(child);
        nix::sys::signal::kill(child, nix::sys::signal::Signal::SIGKILL).expect("it runs");
    }

    #[test]
    fn nothing_has_a_meaning_to_power_shell() {
        assert_eq!(quoted("room 1"), "'room 1'");
        assert_eq!(quoted("a'b\u{2019}c\nd"), "'a''b\u{2019}\u{2019}cd'");
        let given = GuestScript { shell: Shell::PowerShell, ..of("exit 0", 60) };
        let arguments = script(&given).arguments();
        assert_eq!(arguments["path"], "powershell.exe");
        assert!(arguments.get("env").is_none());
        // The longest command line of Windows.
        assert!(arguments["arg"][5].as_str().unwrap().len() < 16_000);
    }
}
