import Foundation
import Testing

/// How commands speak: help, errors, logs, the manual page, completions.
@Suite struct SpeechTests {
    private let command: CommandRun

    init() throws { command = try CommandRun() }

    @Test func `JSON lines are objects with time, level and message`() throws {
        let run = try command.generate("-o", "x.png", "-v", "--log-format", "json")
        #expect(run.code == 0 && run.output.isEmpty)
        let lines = try run.said.split(separator: "\n").map { line in
            try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        }
        #expect(lines.count > 5)
        for line in lines { #expect(Set(line.keys) == ["time", "level", "message"]) }
        #expect(lines.contains { ($0["message"] as? String)?.hasPrefix("step 4/4") == true })
        let wrong = try command.run(["generate", "a", "-o", "no/x.png", "--log-format", "json"])
        let fault = try JSONSerialization.jsonObject(with: Data(wrong.said.utf8)) as? [String: Any]
        #expect(fault?["level"] as? String == "error" && wrong.code == 1)
    }

    @Test func `A first word that is no subcommand is told, with those that are`() throws {
        for arguments in [["gen", "a dog", "-o", "x.png"], ["list"], ["Models/emoji-scenes"], [""]] {
            let run = try command.run(arguments)
            #expect(run.code == 64 && run.said.contains("there is no subcommand '\(arguments[0])', only serve, "))
        }
        #expect(try command.run(["help", "generate"]).code == 0)
        #expect(try command.run(["--version"]).code == 0)
    }

    @Test func `Quiet says nothing but what went wrong`() throws {
        let run = try command.generate("-q", "-o", "x.png")
        #expect(run.code == 0 && run.output.isEmpty && run.said.isEmpty)
        #expect(try command.run(["generate", "a", "-q", "-o", "no/x.png"]).said.contains("no/x.png"))
    }

    @Test func `Inspect and verify speak as they are told to`() throws {
        let fixture = CommandRun.root.appending(path: "Tests/Fixtures/wan22-tiny").path
        for arguments in [["inspect", CommandRun.model], ["verify", "--summary", fixture]] {
            let plain = try command.run(arguments)
            #expect(plain.code == 0 && !plain.text.isEmpty && plain.said.isEmpty)
            let quiet = try command.run(arguments + ["-q"])
            #expect(quiet.code == 0 && quiet.text.isEmpty && quiet.said.isEmpty)
            let json = try command.run(arguments + ["--log-format", "json"])
            #expect(json.code == 0 && json.text.isEmpty)
            for line in json.said.split(separator: "\n") {
                #expect(try JSONSerialization.jsonObject(with: Data(line.utf8)) is [String: Any], "\(line)")
            }
            #expect(json.said.split(separator: "\n").count > 3)
            #expect(try command.run(arguments + ["-q", "-v"]).code == 64)
        }
    }

    /// A server that cannot bind its address logs what it does before, and ends.
    @Test func `Serve speaks as it is told to`() throws {
        func serve(_ arguments: String...) throws -> CommandRun.Result {
            try command.run(
                ["serve", CommandRun.model, "--state", "state", "--host", "192.0.2.1", "--port", "0"] + arguments)
        }
        let plain = try serve()
        #expect(plain.code == 1 && plain.said.contains(" warning phasor: there are no API keys"), "\(plain.said)")
        let lines = try serve("--log-format", "json").said.split(separator: "\n").map { line in
            try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: String], "\(line)")
        }
        #expect(lines.contains { $0["level"] == "warning" && $0["label"] == "phasor" })
        #expect(lines.last?["level"] == "error")
        #expect(try serve("-v").said.contains(" debug phasor: opened"))
        #expect(try !serve("-q").said.contains(" info "))
    }

    /// A pipe that nobody reads, full from the start: what is said is lost, what was asked for is made.
    @Test func `A reader of standard error who does not read holds nobody`() throws {
        let pipe = Pipe()
        let writing = pipe.fileHandleForWriting
        let flags = fcntl(writing.fileDescriptor, F_GETFL)
        _ = fcntl(writing.fileDescriptor, F_SETFL, flags | O_NONBLOCK)
        let page = [UInt8](repeating: 0x61, count: 4096)
        while write(writing.fileDescriptor, page, page.count) > 0 {}
        while write(writing.fileDescriptor, page, 1) > 0 {}
        _ = fcntl(writing.fileDescriptor, F_SETFL, flags)
        let run = try command.run(
            ["generate", "a dog", "--model", CommandRun.model, "--size", "32x32", "-v", "-o", "x.png"], error: writing)
        #expect(run.code == 0 && command.bytes("x.png") != nil)
        withExtendedLifetime(pipe) {}
    }

    /// What a command shows on a terminal: util-linux's `script` gives it one.
    private func onTerminal(_ arguments: [String], _ environment: [String: String]) throws -> String {
        let words = ([CommandRun.binary.path] + arguments).map { "'\($0)'" }.joined(separator: " ")
        return try command.run(
            ["-qec", words, "/dev/null"], environment: environment, program: URL(fileURLWithPath: "/usr/bin/script")
        ).text
    }

    @Test func `Colours and moving lines are for terminals that want them`() throws {
        let escape = "\u{1B}["
        let wrong = ["generate", "a", "-o", "no/x.png"]
        #expect(try onTerminal(wrong, ["TERM": "xterm"]).contains("\(escape)1;31mError:"))
        #expect(try !onTerminal(wrong, ["TERM": "xterm", "NO_COLOR": "1"]).contains(escape))
        #expect(try !onTerminal(wrong, ["TERM": "dumb"]).contains(escape))
        let right = ["generate", "a dog", "--model", CommandRun.model, "--size", "32x32", "-o", "x.png"]
        #expect(try onTerminal(["generate", "a dog", "-o", "-"], [:]).contains("standard output is a terminal"))
        #expect(try onTerminal(right, ["TERM": "xterm"]).contains("step 4/4"))
        #expect(try !onTerminal(right, ["TERM": "dumb"]).contains("step 4/4"))
        #expect(try onTerminal(right + ["-q"], ["TERM": "xterm"]).isEmpty)
        #expect(try command.run(right).said.isEmpty)
    }

    @Test func `The help of bench is that of all measurements`() throws {
        for arguments in [["bench", "--help"], ["bench", "-h"], ["help", "bench"]] {
            let help = try command.run(arguments)
            #expect(help.code == 0 && help.said.isEmpty)
            for flag in ["--against", "--html", "--filter", "--expert", "--trace", "--svg", "--rounds"] {
                #expect(help.text.contains(flag), "\(arguments) \(flag)")
            }
        }
        #expect(try !command.run(["bench", "kernels", "--help"]).text.contains("--trace"))
        #expect(try command.run(["--help"]).code == 0 && command.run([]).code == 0)
        #expect(try command.run(["bogus"]).code == 64)
    }

    @Test func `The manual page has every option that help has`() throws {
        let page = try command.run(["--generate-man"])
        #expect(page.code == 0 && page.text.hasPrefix(".TH PHASOR 1"))
        let words = page.text.replacing("\\-", with: "-")
        for name in ["serve", "pull", "generate", "render", "inspect", "quantize", "verify", "bench"] {
            #expect(words.contains(".SS \"phasor \(name)"))
            let help = try command.run([name, "--help"]).text
            let flags = help.split(whereSeparator: { " ,\n/>".contains($0) }).filter {
                $0.hasPrefix("--") && $0.count > 3
            }
            for flag in Set(flags) where flag != "--help" && flag != "--version" {
                #expect(words.contains(flag), "\(name) \(flag)")
            }
        }
    }

    @Test func `Bash takes the completions`() throws {
        let script = try command.run(["--generate-completion-script", "bash"])
        let path = command.folder.appending(path: "phasor.bash")
        try script.output.write(to: path)
        let bash = Process()
        bash.executableURL = URL(fileURLWithPath: "/bin/bash")
        bash.arguments = ["-c", "source \"$1\" && complete -p phasor", "bash", path.path]
        let pipe = Pipe()
        bash.standardOutput = pipe
        try bash.run()
        bash.waitUntilExit()
        #expect(bash.terminationStatus == 0)
        #expect(String(decoding: pipe.fileHandleForReading.availableData, as: UTF8.self).contains("phasor"))
    }

    @Test func `Reports are looked at first, and go to standard output alone where that is asked`() throws {
        for (flag, extra) in [("--json", []), ("--html", []), ("--svg", ["schedule"])] as [(String, [String])] {
            let run = try command.run(["bench"] + extra + [flag, "no/report"])
            #expect(run.code == 64 && run.said.contains("\(flag): no/report cannot be written"), "\(run.said)")
        }
        #expect(try command.names.isEmpty)
        let report = try command.run(["bench", "kernels", "--filter", "no such kernel", "--json", "-"])
        #expect(report.code == 0)
        #expect(try JSONSerialization.jsonObject(with: report.output) is [String: Any])
    }
}
