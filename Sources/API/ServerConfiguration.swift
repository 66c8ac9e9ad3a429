import Blobs
import Foundation
import Jobs
import Models
import Pipelines
import Serving
import Support
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
    /// Jobs that may wait; nil for 64, or 100,000 in a store that machines share.
    package var queue: Int?
    package var queueCapacity: Int { queue ?? (store == nil ? 64 : 100_000) }
    /// Jobs of one API key, or without keys of one address, that may have begun; the others wait. Nil for any number.
    package var runningPerKey: Int?
    /// Jobs of one API key, or without keys of one address, that may wait. Nil for a fair share where there are several
    /// keys, else for all of the queue.
    package var queuePerKey: Int?
    /// Folder of the web page; nil for the one near the executable.
    package var page: String?
    package var requestLog = false
    /// Where clients reach the server, to make links of; nil to go by their requests.
    package var publicURL: String?
    /// Whether X-Forwarded-* are a proxy's, to be believed.
    package var trustProxy = false
    /// Seconds that a plain answer may take before white space is sent to keep it alive; 0 for as long as it takes.
    package var keepAlive = 25.0
    /// Whether A1111's settings that a generator cannot use are refused.
    package var strictA1111 = false
    /// What is made of a size that the model does not make.
    package var sizePolicy = SizePolicy.exact
    /// Whether files say that a model made them, and which.
    package var provenance = true
    /// `NAME=MODEL`: other names of models.
    package var aliases: [String] = []
    /// Folder of LoRA files that requests may name; nil for none.
    package var loras: String?
    /// Bytes the process may take, as `MemoryBudget` reads it.
    package var memory = "auto"
    /// How weights get into memory: `mmap` or `read`.
    package var load = "mmap"
    package var connections = 1024
    /// The limit of `HTTPLimits` of this name.
    package var connectionsPerAddress: Int?
    /// Seconds, as in `HTTPLimits`.
    package var drain = 60.0
    package var headerDeadline = 10.0
    package var bodyProgress = 20.0
    package var bodyDeadline = 120.0
    /// Bytes a second.
    package var bodyRate = 1024
    package var idle = 60.0
    package var writeStall = 30.0
    /// Artifacts older than this are removed.
    package var retentionDays = 7.0
    /// When the artifacts hold more, the oldest are removed.
    package var retentionGigabytes = 20.0
    /// The database in which several machines keep their jobs; nil for the state folder.
    package var store: String?
    /// Whether this process computes, or only takes jobs in.
    package var compute = true
    /// Where finished files are kept besides, `file:///folder` or `s3://bucket/prefix`; nil for the state folder alone.
    package var blobs: String?
    /// Whether who asks for a file is sent to the object store of a cluster.
    package var blobLinks = false
    /// Copies of such files that the state folder holds.
    package var cacheGigabytes = 20.0
    /// Addresses that are told when a job has ended.
    package var webhooks: [String] = []
    /// File of the secret that they are signed with; nil for the one in the state folder.
    package var webhookSecret: String?

    package enum CodingKeys: String, CodingKey, CaseIterable, Sendable {
        case host, port, state, queue, page, connections, drain, idle, memory, load, loras, aliases, webhooks, blobs,
            provenance, store, compute
        case cacheGigabytes = "cache_gigabytes"
        case blobLinks = "blob_links"
        case webhookSecret = "webhook_secret"
        case publicURL = "public_url"
        case trustProxy = "trust_proxy"
        case keepAlive = "keep_alive"
        case strictA1111 = "strict_a1111"
        case sizePolicy = "size_policy"
        case apiKeys = "api_keys"
        case corsOrigins = "cors_origins"
        case allowedHosts = "allowed_hosts"
        case requestLog = "request_log"
        case headerDeadline = "header_deadline"
        case bodyProgress = "body_progress"
        case bodyDeadline = "body_deadline"
        case bodyRate = "body_rate"
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
        let value: JSON
        do {
            value = try JSON(parsing: [UInt8](data), limits: .file)
        } catch {
            throw Fault(description: "\(path): not a JSON object: \(error)")
        }
        guard let fields = value.members else { throw Fault(description: "\(path): not a JSON object") }
        for field in fields {
            guard let key = CodingKeys(rawValue: field.name) else {
                let known = CodingKeys.allCases.map(\.rawValue).sorted().joined(separator: ", ")
                throw Fault(description: "\(path): unknown key '\(field.name)'; known are \(known)")
            }
            try set(key, SettingValue(name: "\(path): '\(field.name)'", content: .json(field.value)))
        }
    }

    /// Takes what environment variables set. Variables of other names are not looked at.
    /// - Throws: `Fault` that names the variable.
    package mutating func apply(environment: [String: String]) throws {
        for key in CodingKeys.allCases {
            guard let text = environment[key.environmentName], !(key == .port && Self.isServiceLink(text)) else {
                continue
            }
            try apply(key, text: text, named: key.environmentName)
        }
    }

    /// Kubernetes tells every pod where the service `phasor` is by PHASOR_PORT=tcp://10.0.0.7:80.
    private static func isServiceLink(_ text: String) -> Bool {
        ["tcp://", "udp://", "sctp://"].contains { text.utf8.starts(with: $0.utf8) }
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
        case .publicURL:
            let wanted = "an address such as https://example.org/phasor"
            publicURL = PublicAddress.normalized(
                try value.string({ PublicAddress.normalized($0) != nil }, or: wanted))
        case .trustProxy: trustProxy = try value.bool()
        case .keepAlive: keepAlive = try value.number(0...86_400)
        case .strictA1111: strictA1111 = try value.bool()
        case .sizePolicy: sizePolicy = try value.choice()
        case .provenance: provenance = try value.bool()
        case .aliases:
            aliases = try value.strings({ ModelAlias($0) != nil }, or: "texts of the form NAME=MODEL")
        case .loras: loras = try value.string()
        case .memory: memory = try value.string({ MemoryBudget($0) != nil }, or: "a size such as 12GB, auto or off")
        case .load: load = try value.string({ WeightLoading(rawValue: $0) != nil }, or: "mmap or read")
        case .connections: connections = try value.integer(1...1_000_000)
        case .connectionsPerAddress: connectionsPerAddress = try value.integer(1...1_000_000)
        case .drain: drain = try value.number(0...86_400)
        case .headerDeadline: headerDeadline = try value.number(0.01...86_400)
        case .bodyProgress: bodyProgress = try value.number(0.01...86_400)
        case .bodyDeadline: bodyDeadline = try value.number(0.01...86_400)
        case .bodyRate: bodyRate = try value.integer(1...1_000_000_000)
        case .idle: idle = try value.number(0.01...86_400)
        case .writeStall: writeStall = try value.number(0.01...86_400)
        case .retentionDays: retentionDays = try value.number(0...36_500)
        case .retentionGigabytes: retentionGigabytes = try value.number(0...1_000_000)
        case .store: store = try value.string(Self.isStore, or: Self.storeForm)
        case .compute: compute = try value.bool()
        case .blobs:
            blobs = try value.string({ BlobLocation($0) != nil }, or: BlobLocation.form)
        case .blobLinks: blobLinks = try value.bool()
        case .cacheGigabytes: cacheGigabytes = try value.number(0...1_000_000)
        case .webhooks:
            webhooks = try value.strings(
                { WebhookOptions.isAddress($0) }, or: "http or https addresses without a password")
        case .webhookSecret: webhookSecret = try value.string()
        }
    }

    /// Writes a file that would set everything; null leaves a setting to the default.
    package func encode(to encoder: any Encoder) throws {
        var object = encoder.container(keyedBy: CodingKeys.self)
        try object.encode(host, forKey: .host)
        try object.encode(port, forKey: .port)
        try object.encodeIfPresent(state, forKey: .state)
        try object.encodeIfPresent(apiKeys, forKey: .apiKeys)
        try object.encode(corsOrigins, forKey: .corsOrigins)
        try object.encode(allowedHosts, forKey: .allowedHosts)
        try object.encodeIfPresent(queue, forKey: .queue)
        try object.encodeIfPresent(runningPerKey, forKey: .runningPerKey)
        try object.encodeIfPresent(queuePerKey, forKey: .queuePerKey)
        try object.encodeIfPresent(page, forKey: .page)
        try object.encode(requestLog, forKey: .requestLog)
        try object.encodeIfPresent(publicURL, forKey: .publicURL)
        try object.encode(trustProxy, forKey: .trustProxy)
        try object.encode(keepAlive, forKey: .keepAlive)
        try object.encode(strictA1111, forKey: .strictA1111)
        try object.encode(sizePolicy.rawValue, forKey: .sizePolicy)
        try object.encode(provenance, forKey: .provenance)
        try object.encode(aliases, forKey: .aliases)
        try object.encodeIfPresent(loras, forKey: .loras)
        try object.encode(memory, forKey: .memory)
        try object.encode(load, forKey: .load)
        try object.encode(connections, forKey: .connections)
        try object.encodeIfPresent(connectionsPerAddress, forKey: .connectionsPerAddress)
        try object.encode(drain, forKey: .drain)
        try object.encode(headerDeadline, forKey: .headerDeadline)
        try object.encode(bodyProgress, forKey: .bodyProgress)
        try object.encode(bodyDeadline, forKey: .bodyDeadline)
        try object.encode(bodyRate, forKey: .bodyRate)
        try object.encode(idle, forKey: .idle)
        try object.encode(writeStall, forKey: .writeStall)
        try object.encode(retentionDays, forKey: .retentionDays)
        try object.encode(retentionGigabytes, forKey: .retentionGigabytes)
        try object.encodeIfPresent(store, forKey: .store)
        try object.encode(compute, forKey: .compute)
        try object.encodeIfPresent(blobs, forKey: .blobs)
        try object.encode(blobLinks, forKey: .blobLinks)
        try object.encode(cacheGigabytes, forKey: .cacheGigabytes)
        try object.encode(webhooks, forKey: .webhooks)
        try object.encodeIfPresent(webhookSecret, forKey: .webhookSecret)
    }

    /// Whether a text is the address of a database that may stand in logs and in the list of processes.
    package static func isStore(_ text: String) -> Bool {
        guard let parts = URLComponents(string: text) else { return false }
        return ["postgres", "postgresql"].contains(parts.scheme) && parts.password == nil
            && parts.queryItems?.contains { $0.name == "password" } != true
    }

    package static let storeForm =
        "postgres://USER@HOST/DATABASE without a password, which PGPASSWORD or ~/.pgpass holds"

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
        case json(JSON)
        case text(String)
    }
    /// The name that messages use.
    let name: String
    let content: Content

    private func fault(_ wanted: String) -> ServerConfiguration.Fault {
        let given =
            switch content {
            case .json(let value): value.text
            case .text(let text): "'\(text)'"
            }
        return ServerConfiguration.Fault(description: "\(name) is \(given); it must be \(wanted)")
    }

    func string() throws -> String {
        switch content {
        case .json(.string(let value)) where !value.isEmpty: return value
        case .text(let text) where !text.isEmpty: return text
        default: throw fault("a string that is not empty")
        }
    }

    func string(_ isAllowed: (String) -> Bool, or wanted: String) throws -> String {
        guard let text = try? string(), isAllowed(text) else { throw fault(wanted) }
        return text
    }

    func choice<Choice: RawRepresentable & CaseIterable>() throws -> Choice where Choice.RawValue == String {
        let known = Choice.allCases.map(\.rawValue).joined(separator: " or ")
        guard let choice = Choice(rawValue: try string({ Choice(rawValue: $0) != nil }, or: known)) else {
            throw fault(known)
        }
        return choice
    }

    func strings(_ isAllowed: (String) -> Bool, or wanted: String) throws -> [String] {
        let texts = try strings()
        guard texts.allSatisfy(isAllowed) else { throw fault(wanted) }
        return texts
    }

    func strings() throws -> [String] {
        switch content {
        case .json(.array(let values)):
            let texts = values.compactMap(\.string)
            guard texts.count == values.count else { throw fault("a list of strings") }
            return texts
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
            case .json(let value): value.number
            case .text(let text): Double(text)
            }
        guard let number, range.contains(number) else {
            throw fault("a number from \(JSON(range.lowerBound).text) to \(JSON(range.upperBound).text)")
        }
        return number
    }

    func bool() throws -> Bool {
        switch content {
        case .json(.bool(let value)): return value
        case .text("true"), .text("1"): return true
        case .text("false"), .text("0"): return false
        default: throw fault("true or false")
        }
    }
}
