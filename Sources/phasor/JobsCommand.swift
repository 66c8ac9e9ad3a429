import API
import ArgumentParser
import Foundation
import Jobs
import Support

struct JobsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "jobs",
        abstract: "List, show, cancel and retry jobs of a server, of a state folder, or of a shared store.",
        discussion: """
            With --server a running server is asked; its API key is that of $PHASOR_API_KEY. With --store or \
            $PHASOR_STORE the jobs are those of a shared store. Without either the state folder is \
            read, whether or not a server works on it; to cancel or retry there, none may.

              phasor jobs                                      the newest jobs of the default state folder
              phasor jobs list --only failed --ids | xargs phasor jobs retry --server http://127.0.0.1:8080
              phasor jobs show image_0123456789abcdef0123456789abcdef
            """,
        subcommands: [List.self, Show.self, Cancel.self, Retry.self, Arithmetic.self], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "The newest jobs, a line each.")

        @Option(
            help: ArgumentHelp(
                "Only jobs of this state: queued, running, succeeded, failed or cancelled. May be repeated.",
                valueName: "state"))
        var only: [Job.State] = []

        @Option(help: "Only jobs of this kind: image or video.")
        var kind: GenerationRequest.Kind?

        @Option(help: "At most so many.")
        var limit = 20

        @Flag(help: "Ids alone, a line each.")
        var ids = false

        @OptionGroup var place: JobPlace

        func validate() throws {
            guard 1...1_000_000 ~= limit else { throw ValidationError("--limit \(limit): it must be 1...1000000") }
            guard !ids || !place.json else { throw ValidationError("--ids and --json exclude each other: give one") }
        }

        func run() async throws {
            let desk = try place.desk()
            let states = Set(only.map(\.rawValue))
            var (left, after, hasMore) = (limit, String?.none, true)
            while left > 0, hasMore {
                let page = try await desk.page(kind: kind?.rawValue, after: after)
                let jobs = page.jobs.filter { states.isEmpty || states.contains($0["state"]?.string ?? "") }.prefix(
                    left)
                for job in jobs { print(ids ? job["id"]?.string ?? "" : place.json ? job.text : JobText.line(of: job)) }
                left -= jobs.count
                after = page.jobs.last?["id"]?.string
                hasMore = page.hasMore && after != nil
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "All that is known of jobs.")
        @Argument(help: "Ids of jobs.") var ids: [String]
        @OptionGroup var place: JobPlace

        func run() async throws {
            let desk = try place.desk()
            try await each(ids) {
                try await desk.job($0)
            } show: {
                print(place.json ? $0.text : JobText.page(of: $0))
            }
        }
    }

    struct Cancel: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Stop jobs. What has ended stays as it is.")
        @Argument(help: "Ids of jobs.") var ids: [String]
        @OptionGroup var place: JobPlace

        func run() async throws {
            let desk = try place.desk()
            try await each(ids) {
                try await desk.cancel($0)
            } show: {
                print(place.json ? $0.text : JobText.line(of: $0))
            }
        }
    }

    struct Retry: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Run jobs again that have failed or were cancelled, under the same id, to the same bytes.")
        @Argument(help: "Ids of jobs.") var ids: [String]
        @OptionGroup var place: JobPlace

        func run() async throws {
            let desk = try place.desk()
            try await each(ids) {
                try await desk.retry($0)
            } show: {
                print(place.json ? $0.text : JobText.line(of: $0))
            }
        }
    }

    struct Arithmetic: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "What the workers of a shared store compute each model with.",
            discussion: """
                All workers of a store compute a model in one precision on one kind of processor, as a job's bytes would \
                be those of no machine otherwise. The first worker says which; one that differs is refused.
                """)

        @OptionGroup var store: StoreOption

        @Flag(help: "Let the next worker that starts say it anew. Jobs under way begin anew where it differs.")
        var forget = false

        func run() async throws {
            let desk = try LedgerDesk(store: store.required())
            if forget { try desk.ledger.forgetArithmetics() }
            for (model, value) in try desk.ledger.arithmetics().sorted(by: { $0.key < $1.key }) {
                print("\(model): \(value)")
            }
        }
    }

    /// Does something with each job; what goes wrong with one is told, and the others follow.
    private static func each(_ ids: [String], _ body: (String) async throws -> JSON, show: (JSON) -> Void) async throws
    {
        var faults = 0
        for id in ids {
            do {
                show(try await body(id))
            } catch let error where ids.count > 1 {
                Console.current.complain(CommandFailure.words(of: error))
                faults += 1
            }
        }
        if faults > 0 { throw ExitCode.failure }
    }
}

/// Options of every `phasor jobs` command.
struct JobPlace: ParsableArguments {
    @Option(help: ArgumentHelp("A running server, e.g. http://127.0.0.1:8080.", valueName: "url"))
    var server: String?

    @Option(
        help: ArgumentHelp(
            "The state folder (default: $PHASOR_STATE, else that of serve).", valueName: "dir"),
        transform: HomeFolder.expand)
    var state: String?

    @OptionGroup var store: StoreOption

    @Flag(help: "Jobs as the API has them, a JSON object a line.")
    var json = false

    func validate() throws {
        guard [server, state, store.store].compactMap(\.self).count <= 1 else {
            throw ValidationError("--server, --state and --store exclude each other: give one")
        }
    }

    func desk() throws -> any JobDesk {
        let environment = ProcessInfo.processInfo.environment
        if server == nil, state == nil, store.address != nil { return try LedgerDesk(store: store.required()) }
        guard let server else {
            return FolderDesk(folder: state ?? environment["PHASOR_STATE"].map(HomeFolder.expand) ?? Serve.defaultState)
        }
        let key = environment["PHASOR_API_KEY"].flatMap { $0.isEmpty ? nil : $0 }
        guard let desk = ServerDesk(url: server, key: key) else {
            throw ValidationError("--server \(server): expected http://HOST:PORT")
        }
        return desk
    }
}

/// A job in words.
enum JobText {
    private static let promptWidth = 48

    /// Id, state, how far it is, what it makes, its prompt.
    static func line(of job: JSON) -> String {
        let parameters = job["parameters"]
        let size = "\(text(parameters?["width"]))x\(text(parameters?["height"]))"
        let frames = parameters?["num_frames"]?.integer ?? 1
        let columns = [
            text(job["id"]).padded(38), text(job["state"]).padded(9), progress(of: job).padded(9),
            (frames > 1 ? "\(size)x\(frames)" : size).padded(12), since(job).padded(7),
        ]
        return columns.joined(separator: "  ") + "  " + shortened(parameters?["prompt"]?.string ?? "")
    }

    /// A line for each thing that is known.
    static func page(of job: JSON) -> String {
        let names = [
            "id", "state", "kind", "priority", "queue_position", "eta_seconds", "step", "steps", "phase", "expert",
            "created_at", "started_at", "finished_at", "expires_at",
        ]
        var lines: [(String, String)] = names.compactMap { name in
            guard let value = job[name], value != .null else { return nil }
            let isTime = name.hasSuffix("_at")
            return (name, isTime ? value.number.map(time) ?? "" : text(value))
        }
        if let failure = job["error"], failure != .null {
            lines.append(("error", "\(text(failure["code"])): \(text(failure["message"]))"))
        }
        for artifact in job["artifacts"]?.array ?? [] {
            let expired = artifact["expired"]?.bool == true ? ", expired" : ""
            lines.append(("file", "\(text(artifact["url"])) (\(text(artifact["bytes"])) bytes\(expired))"))
        }
        for parameter in job["parameters"]?.members ?? [] where parameter.value != .null && parameter.name != "kind" {
            lines.append((parameter.name, text(parameter.value)))
        }
        return lines.map { "\($0.padded(21))  \($1)" }.joined(separator: "\n")
    }

    private static func progress(of job: JSON) -> String {
        switch job["state"]?.string {
        case "running": "\(text(job["step"]))/\(text(job["steps"]))"
        case "queued": job["queue_position"]?.integer.map { "\($0) before" } ?? ""
        default: ""
        }
    }

    /// How long ago it was accepted.
    private static func since(_ job: JSON) -> String {
        guard let created = job["created_at"]?.number else { return "" }
        let seconds = max(0, Date().timeIntervalSince1970 - created)
        switch seconds {
        case ..<60: return "\(Int(seconds)) s"
        case ..<3600: return "\(Int(seconds / 60)) min"
        case ..<172_800: return "\(Int(seconds / 3600)) h"
        default: return "\(Int(min(seconds / 86_400, 99_999))) d"
        }
    }

    private static func time(_ seconds: Double) -> String { Date(timeIntervalSince1970: seconds).ISO8601Format() }

    /// A prompt may hold anything; a terminal is not to obey it.
    private static func text(_ value: JSON?) -> String {
        guard let value, value != .null else { return "" }
        return visible(value.string ?? value.text)
    }

    private static func visible(_ text: String) -> String {
        String(
            String.UnicodeScalarView(text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }))
    }

    private static func shortened(_ text: String) -> String {
        let scalars = visible(text).unicodeScalars
        return scalars.count > promptWidth
            ? String(String.UnicodeScalarView(scalars.prefix(promptWidth - 3))) + "..." : String(scalars)
    }
}

extension Job.State: ExpressibleByArgument {}
extension GenerationRequest.Kind: ExpressibleByArgument {}
