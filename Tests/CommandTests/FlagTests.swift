import Foundation
import Jobs
import Support
import Testing

/// The options of commands against the table of request fields: names, help and limits, and no field left out.
@Suite struct FlagTests {
    private let command: CommandRun
    private static let commands: [(taker: RequestField.Taker, name: String)] = [
        (.generate, "generate"), (.render, "render"),
    ]
    /// What the commands take besides fields of a request.
    private static let others: [RequestField.Taker: Set<String>] = [
        .generate: ["output", "model", "no-provenance", "latents"],
        .render: [
            "out", "verify", "resume", "shard", "check", "images", "model", "no-provenance", "window", "store", "blobs",
        ],
    ]

    init() throws { command = try CommandRun() }

    /// The options of a command, by name, as the argument parser itself tells them.
    private func options(of name: String) throws -> [String: JSON] {
        let run = try command.run(["--experimental-dump-help"])
        let help = try JSON(parsing: [UInt8](run.output))
        let found = help["command"]?["subcommands"]?.array?.first { $0["commandName"]?.string == name }
        var options: [String: JSON] = [:]
        for argument in found?["arguments"]?.array ?? [] where argument["kind"]?.string != "positional" {
            let names = argument["names"]?.array ?? []
            guard let long = names.first(where: { $0["kind"]?.string == "long" })?["name"]?.string else { continue }
            options[long] = argument
        }
        return options
    }

    @Test(arguments: commands.indices) func `A command has an option for each field that it takes, and no other`(
        index: Int
    ) throws {
        let (taker, name) = Self.commands[index]
        let options = try options(of: name)
        for field in RequestFields.taken(by: taker) {
            let option = try #require(field.name(for: taker))
            #expect(options[option]?["abstract"]?.string == field.help(for: taker), "--\(option)")
            if case .choice(let choices) = field.content {
                #expect(options[option]?["allValues"]?.array?.compactMap(\.string) == choices, "--\(option)")
            }
        }
        // What is left are options of every command that opens a model, or speaks.
        let shared = try Set(self.options(of: "inspect").keys).union(self.options(of: "bench").keys)
            .union(try benchOptions())
        let fields = Set(RequestFields.taken(by: taker).compactMap { $0.name(for: taker) })
        let unknown = Set(options.keys).subtracting(fields).subtracting(shared)
        #expect(unknown.subtracting(Self.others[taker] ?? []).isEmpty, "\(unknown)")
    }

    private func benchOptions() throws -> Set<String> { ["quiet", "verbose", "log-format", "help", "version"] }

    /// Just beyond a limit is refused by the flag, before a model is opened: the one that is named is none.
    @Test(arguments: commands.indices) func `Limits are the table's`(index: Int) throws {
        let (taker, name) = Self.commands[index]
        let start = taker == .generate ? ["generate", "a", "-o", "x.mp4"] : ["render", "none.jsonl", "--out", "o"]
        var within: [String] = []
        for field in RequestFields.taken(by: taker) where field != RequestFields.seed {
            let flag = "--\(field.name(for: taker) ?? "")"
            let (allowed, refused): (String?, [String]) =
                switch field.content {
                case .integer(let range):
                    ("\(range.upperBound)", ["\(range.lowerBound - 1)", "\(range.upperBound + 1)", "1.5"])
                case .number(let range):
                    ("\(range.upperBound)", ["\(range.lowerBound - 0.5)", "\(range.upperBound + 0.5)", "nan"])
                case .choice(let choices): (choices.last, ["none"])
                case .text(let longest): (nil, [String(repeating: "a", count: longest + 1)])
                default: (nil, [])
                }
            for value in refused {
                let run = try command.run(start + ["\(flag)=\(value)", "--model", "/nowhere"])
                #expect(run.code == 64, "\(name) \(flag) \(value.prefix(40)): \(run.said.prefix(200))")
                #expect(run.said.split(separator: "\n").first?.contains(flag) == true, "\(run.said.prefix(200))")
            }
            if let allowed { within.append("\(flag)=\(allowed)") }
        }
        let run = try command.run(start + within + ["--model", "/nowhere"])
        #expect(within.count > 5 && run.said.contains("/nowhere"), "\(within): \(run.said.prefix(200))")
    }
}
