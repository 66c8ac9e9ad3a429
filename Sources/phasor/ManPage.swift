import Foundation

/// phasor.1, made from what `--help` is made from, so that it never says anything else.
struct ManPage {
    private let tool: Command
    private let version: String

    /// What the argument parser tells of the commands (`ToolInfoV0`).
    private struct Tool: Decodable { let command: Command }

    private struct Command: Decodable {
        let commandName: String
        let abstract: String?
        let discussion: String?
        let defaultSubcommand: String?
        let subcommands: [Command]?
        let arguments: [Argument]?
    }

    private struct Argument: Decodable {
        enum Kind: String, Decodable { case positional, option, flag }
        struct Name: Decodable {
            let kind: String
            let name: String
        }
        let kind: Kind
        let shouldDisplay: Bool
        let isOptional: Bool
        let isRepeating: Bool
        let names: [Name]?
        let valueName: String?
        let defaultValue: String?
        let abstract: String?
    }

    /// - Parameter description: `ParsableArguments._dumpHelp()`.
    init(description: String, version: String) throws {
        tool = try JSONDecoder().decode(Tool.self, from: Data(description.utf8)).command
        self.version = version
    }

    /// man(7) source.
    var text: String {
        var lines = [
            ".TH PHASOR 1 \"\" \"phasor \(version)\" \"User Commands\"",
            ".SH NAME",
            "phasor \\- \(Self.escaped(Self.sentence(tool.abstract ?? "")))",
            ".SH SYNOPSIS",
        ]
        let commands = (tool.subcommands ?? []).filter { $0.commandName != "help" }
        lines += commands.flatMap { Self.synopsis($0, under: "phasor") }.joined(separator: "\n.br\n").split(
            separator: "\n"
        )
        .map(String.init)
        lines.append(".SH DESCRIPTION")
        lines += Self.paragraphs(tool.discussion).dropFirst()
        lines.append(".SH COMMANDS")
        for command in commands { lines += Self.section(command, under: "phasor") }
        lines += Self.closing
        return lines.joined(separator: "\n") + "\n"
    }

    // MARK: Commands

    private static func leaves(_ command: Command) -> [Command] {
        (command.subcommands ?? []).filter { $0.commandName != "help" }
    }

    private static func synopsis(_ command: Command, under parent: String) -> [String] {
        let name = "\(parent) \(command.commandName)"
        guard leaves(command).isEmpty else { return leaves(command).flatMap { synopsis($0, under: name) } }
        let positional = (command.arguments ?? []).filter { $0.kind == .positional && $0.shouldDisplay }.map {
            argument in
            let value = "\\fI\(escaped(argument.valueName ?? "value"))\\fR" + (argument.isRepeating ? " ..." : "")
            return argument.isOptional ? "[\(value)]" : value
        }
        return ["\\fB\(escaped(name))\\fR " + (positional + ["[\\fIoptions\\fR]"]).joined(separator: " ")]
    }

    private static func section(_ command: Command, under parent: String) -> [String] {
        let name = "\(parent) \(command.commandName)"
        var lines = [".SS \"\(escaped(name))\"", escaped(command.abstract ?? "")]
        lines += paragraphs(command.discussion)
        for argument in command.arguments ?? [] where argument.shouldDisplay && !isHelp(argument) {
            lines += entry(argument)
        }
        for inner in leaves(command) { lines += section(inner, under: name) }
        return lines
    }

    private static func isHelp(_ argument: Argument) -> Bool {
        (argument.names ?? []).contains { $0.name == "help" || $0.name == "version" }
    }

    private static func entry(_ argument: Argument) -> [String] {
        let value = "\\fI\(escaped(argument.valueName ?? "value"))\\fR"
        let names = (argument.names ?? []).map { name in
            "\\fB" + escaped((name.kind == "long" ? "--" : "-") + name.name) + "\\fR"
        }
        let head: String =
            switch argument.kind {
            case .positional: value + (argument.isRepeating ? " ..." : "")
            case .option: names.joined(separator: ", ") + " " + value
            case .flag: names.joined(separator: ", ")
            }
        var words = argument.abstract ?? ""
        if let preset = argument.defaultValue, !words.contains("default") { words += " (default: \(preset))" }
        return [".TP", head, escaped(words)]
    }

    // MARK: Text

    /// What no command's help says.
    private static let closing = """
        .SH EXIT STATUS
        .TP
        0
        All that was asked for is done.
        .TP
        1
        Something failed, or some files of a batch did; standard error says which.
        .TP
        2
        A manifest is wrong, and nothing was made.
        .TP
        64
        The arguments are wrong.
        .SH ENVIRONMENT
        .TP
        \\fBPHASOR_MEMORY\\fR, \\fBPHASOR_LOAD\\fR, \\fBPHASOR_LORAS\\fR
        What \\fB\\-\\-memory\\fR, \\fB\\-\\-load\\fR and \\fB\\-\\-loras\\fR say, where these are not given.
        .TP
        \\fBPHASOR_ISA\\fR
        Instruction set of the kernels, in place of the best that the processor has.
        .TP
        \\fBHF_TOKEN\\fR, \\fBHF_ENDPOINT\\fR, \\fBHF_HOME\\fR, \\fBHF_HUB_CACHE\\fR, \\fBHF_HUB_OFFLINE\\fR
        The token for the Hugging Face hub, its address, where its files are kept, and whether it may be asked, as other tools
        read them.
        .TP
        \\fBOPENAI_API_KEY\\fR
        Sent to the server that \\fBphasor bench \\-\\-against\\fR measures.
        .TP
        \\fBNO_COLOR\\fR
        No colours, whatever it says, if it is not empty.
        """.split(separator: "\n").map(String.init)

    /// Lines that are indented are examples, and stay as they are.
    private static func paragraphs(_ text: String?) -> [String] {
        var lines: [String] = []
        var isExample = false
        for line in (text ?? "").split(separator: "\n", omittingEmptySubsequences: false) {
            let begins = line.utf8.starts(with: "  ".utf8)
            if line.isEmpty {
                // A paragraph begins with the text after the empty line.
                if !isExample, lines.last != ".PP" { lines.append(".PP") }
                continue
            }
            if begins != isExample {
                if lines.last == ".PP" { lines.removeLast() }
                lines += begins ? [".PP", ".RS 4", ".nf"] : [".fi", ".RE", ".PP"]
                isExample = begins
            }
            lines.append(escaped(begins ? String(line.dropFirst(2)) : String(line)))
        }
        if isExample { lines += [".fi", ".RE"] }
        while lines.last == ".PP" { lines.removeLast() }
        return lines.isEmpty ? [] : [".PP"] + lines.drop { $0 == ".PP" }
    }

    private static func sentence(_ text: String) -> String {
        text.hasSuffix(".") ? String(text.dropLast()).prefix(1).lowercased() + text.dropLast().dropFirst() : text
    }

    /// Text that man(7) shows as it is.
    private static func escaped(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\e"
            case "-": escaped += "\\-"
            case "~": escaped += "\\(ti"
            case "^": escaped += "\\(ha"
            case "'": escaped += "\\(aq"
            case "`": escaped += "\\(ga"
            case "\n": escaped += " "
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        // A dot at the beginning of a line would be a command.
        return escaped.hasPrefix(".") ? "\\&" + escaped : escaped
    }
}
