import Foundation

/// Which of the processors that a process may use share a core, and which a memory node, as Linux tells under
/// `/sys/devices/system`.
package struct ProcessorTopology: Sendable, Equatable {
    /// Processors that share one core's arithmetic units: more than one are hyper-threads.
    package struct Core: Sendable, Equatable {
        package let processors: [Int]
        /// The memory node that is nearest.
        package let node: Int
    }

    /// The cores by node, and then by their first processor.
    package let cores: [Core]

    package var processors: [Int] { cores.flatMap(\.processors).sorted() }

    /// Nodes that have a processor of these.
    package var nodes: [Int] { Set(cores.map(\.node)).sorted() }

    /// The topology of this machine, and the processors that this process may use.
    package static let current = ProcessorTopology(allowed: Processors.allowed) {
        try? String(contentsOfFile: $0, encoding: .utf8)
    }

    /// - Parameters:
    ///   - allowed: the affinity mask; nil for all processors that are online.
    ///   - read: a file's text; nil if there is none. What is not told counts as a core of its own, and as node 0.
    package init(allowed: [Int]?, read: (String) -> String?) {
        let root = "/sys/devices/system"
        func list(_ path: String) -> [Int]? { read("\(root)/\(path)").flatMap { ProcessorList.parse($0) } }
        let online = list("cpu/online") ?? Array(0..<Processors.online)
        let usable = allowed.map { Set($0).intersection(online) } ?? Set(online)
        var nodes: [Int: Int] = [:]
        for node in list("node/online") ?? [] {
            for processor in list("node/node\(node)/cpulist") ?? [] { nodes[processor] = node }
        }
        var cores: [Core] = []
        var seen: Set<Int> = []
        for processor in usable.sorted() where !seen.contains(processor) {
            let siblings = Set(list("cpu/cpu\(processor)/topology/thread_siblings_list") ?? []).union([processor])
            let mates = siblings.intersection(usable).subtracting(seen).sorted()
            seen.formUnion(mates)
            cores.append(Core(processors: mates, node: nodes[processor] ?? 0))
        }
        self.cores = cores.enumerated().sorted { ($0.element.node, $0.offset) < ($1.element.node, $1.offset) }
            .map(\.element)
    }

    /// Where threads should run.
    package struct Placement: Sendable, Equatable {
        /// The processors that each thread may run on.
        package let processors: [[Int]]
        /// The nodes that memory is to be spread over; none where there is only one.
        package let memoryNodes: [Int]
    }

    /// Threads are spread over the nodes in proportion to their cores, each free to move inside its node; while they are no more
    /// than cores, one hyper-thread of each core is left to others.
    /// - Returns: nil where that leaves nothing to say: one node, and all processors of it.
    package func placement(threads: Int) -> Placement? {
        guard threads > 0, !cores.isEmpty else { return nil }
        let whole = threads > cores.count
        guard nodes.count > 1 || (!whole && cores.contains { $0.processors.count > 1 }) else { return nil }
        let ofNode = Dictionary(grouping: cores, by: \.node).mapValues { cores in
            cores.flatMap { whole ? $0.processors : Array($0.processors.prefix(1)) }.sorted()
        }
        return Placement(
            processors: (0..<threads).map { ofNode[cores[$0 * cores.count / threads].node] ?? [] },
            memoryNodes: nodes.count > 1 ? nodes : [])
    }
}
