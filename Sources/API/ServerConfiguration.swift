import Foundation
import Pipelines
import Weights

/// What a server can be told. Defaults give way to a file, the file to the environment, and that to flags.
///
/// In the file, a JSON object, a setting has the name of its key; in the environment it is `PHASOR_` and the key in
/// capitals (`PHASOR_QUEUE=8`), lists being separated by commas; the flag has dashes (`--header-deadline`).
package struct ServerConfiguration: Encodable, Sendable, Equatable {
    package var host = "127.0.0.1"
    package var port = 8080
    /// Folder of jobs and artifacts; nil for the user's state folder.
    package var state: String?
    /// File of API keys; nil lets everybody in.
    package var apiKeys: String?
    package var corsOrigins: [String] = []
    /// Names by which a server of this machine may be reached besides localhost.
    package var allowedHosts: [String] = []
    /// Jobs that may wait.
    package var queue = 64
    /// Jobs of one API key, or without keys of one address, that may have begun; the others wait. Nil for any number.
    package var runningPerKey: Int?
    /// Jobs of one API key, or without keys of one address, that may wait. Nil for a fair share where there are several
    /// keys, else for all of the queue.
    package var queuePerKey: Int?
    /// Folder of the web page; nil for the one near the executable.
    package var page: String?
    package var requestLog = false
    /// Folder of LoRA files that requests may name; nil for none.
    package var loras: String?
    /// Bytes the process may take, as `MemoryBudget` reads it.
    package var memory = "auto"
    /// How weights get into memory: `mmap` or `read`.
    package var load = "mmap"
    package var connections = 1024
    /// As in `HTTPLimits`.
    package var connectionsPerAddress: Int?
    /// Seconds, as in `HTTPLimits`.
    package var drain = 60.0
    package var headerDeadline = 10.0
    package var bodyProgress = 20.0
    package var bodyDeadline = 120.0
    package var idle = 60.0
    package var writeStall = 30.0
    /// Artifacts older than this are removed.
    package var retentionDays = 7.0
    /// When the artifacts hold more, the oldest are removed.
    package var retentionGigabytes = 20.0

    package enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case host, port, state, queue, page, connections, drain, idle, memory, load, loras
        case apiKeys = "api_keys"
        case corsOrigins = "cors_origins"
        case allowedHosts = "allowed_hosts"
        case requestLog = "request_log"
        case headerDeadline = "header_deadline"
        case bodyProgress = "body_progress"
        case bodyDeadline = "body_deadline"
        case connectionsPerAddress = "connections_per_address"
        case writeStall = "write_stall"
        case runningPerKey = "running_per_key"
        case queuePerKey = "queue_per_key"
        case retentionDays = "retention_days"
        case retentionGigabytes = "retention_gigabytes"

        package var environmentName: String { "PHASOR_" + rawValue.uppercased() }
    }

    /// A setting that cannot be what it was set to.
    package struct Fault: Error, CustomStringConvertible, Equatable {
        package let description: String
    }

    package init() {}

    /// Takes what a file sets.
    /// - Throws: `Fault` that names the file and the key: not an object, an unknown key, a value of another type or range.
    package mutating func apply(file path: String) throws {
        guard let data = try? Data(contentsOf: URL(fileURLWithPath: path)) else {
            throw Fault(description: "\(path): the file cannot be read")
        }
        guard let fields = (try? JSONSerialization.jsonObject(with: data)) as? [String: Any] else {
            throw Fault(description: "\(path): not a JSON object")
        }
        for (name, value) in fields.sorted(by: { $0.key < $1.key }) {
            guard let key = CodingKeys(rawValue: name) else {
                let known = CodingKeys.allCases.map(\.rawValue).sorted().joined(separator: ", ")
                throw Fault(description: "\(path): unknown key '\(name)'; known are \(known)")
            }
            try set(key, SettingValue(name: "\(path): '\(name)'", content: .json(value)))
        }
    }

    /// Takes what environment variables set. Variables of other names are not looked at.
    /// - Throws: `Fault` that names the variable.
    package mutating func apply(environment: [String: String]) throws {
        for key in CodingKeys.allCases {
            guard let text = environment[key.environmentName] else { continue }
            try apply(key, text: text, named: key.environmentName)
        }
    }

    /// Sets one setting from text, as in the environment.
    /// - Parameter name: what to call it in a message.
    package mutating func apply(_ key: CodingKeys, text: String, named name: String) throws {
        try set(key, SettingValue(name: name, content: .text(text)))
    }

    private mutating func set(_ key: CodingKeys, _ value: SettingValue) throws {
        switch key {
        case .host: host = try value.string()
        case .port: port = try value.integer(0...65535)
        case .state: state = try value.string()
        case .apiKeys: apiKeys = try value.string()
        case .corsOrigins: corsOrigins = try value.strings()
        case .allowedHosts: allowedHosts = try value.strings()
        case .queue: queue = try value.integer(1...1_000_000)
        case .runningPerKey: runningPerKey = try value.integer(1...1_000_000)
        case .queuePerKey: queuePerKey = try value.integer(1...1_000_000)
        case .page: page = try value.string()
        case .requestLog: requestLog = try value.bool()
        case .loras: loras = try value.string()
        case .memory: memory = try value.string({ MemoryBudget($0) != nil }, or: "a size such as 12GB, auto or off")
        case .load: load = try value.string({ WeightLoading(rawValue: $0) != nil }, or: "mmap or read")
        case .connections: connections = try value.integer(1...1_000_000)
        case .connectionsPerAddress: connectionsPerAddress = try value.integer(1...1_000_000)
        case .drain: drain = try value.number(0...86_400)
        case .headerDeadline: headerDeadline = try value.number(0.01...86_400)
        case .bodyProgress: bodyProgress = try value.number(0.01...86_400)
        case .bodyDeadline: bodyDeadline = try value.number(0.01...86_400)
        case .idle: idle = try value.number(0.01...86_400)
        case .writeStall: writeStall = try value.number(0.01...86_400)
        case .retentionDays: retentionDays = try value.number(0...36_500)
        case .retentionGigabytes: retentionGigabytes = try value.number(0...1_000_000)
        }
    }

    /// As a file that would set all of it; what is null is left to the default.
    package func encode(to encoder: any Encoder) throws {
        var object = encoder.container(keyedBy: CodingKeys.self)
        try object.encode(host, forKey: .host)
        try object.encode(port, forKey: .port)
        try object.encodeIfPresent(state, forKey: .state)
        try object.encodeIfPresent(apiKeys, forKey: .apiKeys)
        try object.encode(corsOrigins, forKey: .corsOrigins)
        try object.encode(allowedHosts, forKey: .allowedHosts)
        try object.encode(queue, forKey: .queue)
        try object.encodeIfPresent(runningPerKey, forKey: .runningPerKey)
        try object.encodeIfPresent(queuePerKey, forKey: .queuePerKey)
        try object.encodeIfPresent(page, forKey: .page)
        try object.encode(requestLog, forKey: .requestLog)
        try object.encodeIfPresent(loras, forKey: .loras)
        try object.encode(memory, forKey: .memory)
        try object.encode(load, forKey: .load)
        try object.encode(connections, forKey: .connections)
        try object.encodeIfPresent(connectionsPerAddress, forKey: .connectionsPerAddress)
        try object.encode(drain, forKey: .drain)
        try object.encode(headerDeadline, forKey: .headerDeadline)
        try object.encode(bodyProgress, forKey: .bodyProgress)
        try object.encode(bodyDeadline, forKey: .bodyDeadline)
        try object.encode(idle, forKey: .idle)
        try object.encode(writeStall, forKey: .writeStall)
        try object.encode(retentionDays, forKey: .retentionDays)
        try object.encode(retentionGigabytes, forKey: .retentionGigabytes)
    }

    /// Readable JSON, keys sorted.
    package func printed() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }
}

/// A value from a file or from the environment, read as what a setting needs.
private struct SettingValue {
    enum Content {
        case json(Any)
        case text(String)
    }
    /// For messages.
    let name: String
    let content: Content

    private func fault(_ wanted: String) -> ServerConfiguration.Fault {
        let given =
            switch content {
            case .json(let value): "\(value)"
            case .text(let text): "'\(text)'"
            }
        return ServerConfiguration.Fault(description: "\(name) is \(given); it must be \(wanted)")
    }

    func string() throws -> String {
        switch content {
        case .json(let value as String) where !value.isEmpty: return value
        case .text(let text) where !text.isEmpty: return text
        default: throw fault("a string that is not empty")
        }
    }

    func string(_ isAllowed: (String) -> Bool, or wanted: String) throws -> String {
        guard let text = try? string(), isAllowed(text) else { throw fault(wanted) }
        return text
    }

    func strings() throws -> [String] {
        switch content {
        case .json(let values as [String]): return values
        case .text(let text): return text.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
        default: throw fault("a list of strings")
        }
    }

    func integer(_ range: ClosedRange<Int>) throws -> Int {
        guard let number = try? number(Double(range.lowerBound)...Double(range.upperBound)),
            let integer = Int(exactly: number)
        else { throw fault("an integer from \(range.lowerBound) to \(range.upperBound)") }
        return integer
    }

    func number(_ range: ClosedRange<Double>) throws -> Double {
        let number: Double? =
            switch content {
            // `true` would pass for 1.
            case .json(let value as NSNumber) where !Self.isBool(value): value.doubleValue
            case .text(let text): Double(text)
            default: nil
            }
        guard let number, range.contains(number) else {
            throw fault("a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func bool() throws -> Bool {
        switch content {
        case .json(let value as NSNumber) where Self.isBool(value): return value.boolValue
        case .text("true"), .text("1"): return true
        case .text("false"), .text("0"): return false
        default: throw fault("true or false")
        }
    }

    /// JSON's `true` and `false` have the type code of a C char, which no number of a document has.
    private static func isBool(_ number: NSNumber) -> Bool { String(cString: number.objCType) == "c" }
}
