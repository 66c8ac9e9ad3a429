import Foundation
import Support
import Testing

/// Machines made of files as Linux has them under /sys/devices/system (sysfs-devices-system-cpu, numa-memory).
@Suite struct ProcessorTopologyTests {
    /// Processor p and p + cores share core p, as on most servers; cores are cut into nodes one after the other.
    private func machine(cores: Int, threads: Int, nodes: Int) -> [String: String] {
        let root = "/sys/devices/system"
        var files = ["\(root)/cpu/online": "0-\(cores * threads - 1)\n", "\(root)/node/online": "0-\(nodes - 1)\n"]
        for processor in 0..<cores * threads {
            let siblings = (0..<threads).map { "\(processor % cores + $0 * cores)" }.joined(separator: ",")
            files["\(root)/cpu/cpu\(processor)/topology/thread_siblings_list"] = siblings + "\n"
        }
        for node in 0..<nodes {
            let first = node * cores / nodes, last = (node + 1) * cores / nodes - 1
            let ranges = (0..<threads).map { "\(first + $0 * cores)-\(last + $0 * cores)" }.joined(separator: ",")
            files["\(root)/node/node\(node)/cpulist"] = ranges + "\n"
        }
        return files
    }

    private func topology(_ files: [String: String], allowed: [Int]? = nil) -> ProcessorTopology {
        ProcessorTopology(allowed: allowed) { files[$0] }
    }

    @Test func hyperThreadsShareACore() {
        let found = topology(machine(cores: 4, threads: 2, nodes: 2))
        #expect(found.cores.map(\.processors) == [[0, 4], [1, 5], [2, 6], [3, 7]])
        #expect(found.cores.map(\.node) == [0, 0, 1, 1])
        #expect(found.processors == Array(0..<8))
    }

    /// One hyper-thread of each core, while there are cores; then all of them.
    @Test func coresComeBeforeHyperThreads() {
        let found = topology(machine(cores: 4, threads: 2, nodes: 1))
        #expect(found.placement(threads: 3)?.processors == [[0, 1, 2, 3], [0, 1, 2, 3], [0, 1, 2, 3]])
        #expect(found.placement(threads: 4)?.memoryNodes == [])
        #expect(found.placement(threads: 5) == nil)
        #expect(topology(machine(cores: 4, threads: 1, nodes: 1)).placement(threads: 4) == nil)
    }

    /// In proportion to the cores of each node, and memory over both.
    @Test func threadsAreSpreadOverNodes() throws {
        let found = topology(machine(cores: 8, threads: 2, nodes: 2))
        let eight = try #require(found.placement(threads: 8))
        #expect(eight.processors == [0, 0, 0, 0, 4, 4, 4, 4].map { Array($0..<$0 + 4) })
        #expect(eight.memoryNodes == [0, 1])
        let sixteen = try #require(found.placement(threads: 16))
        #expect(sixteen.processors[7] == [0, 1, 2, 3, 8, 9, 10, 11])
        #expect(sixteen.processors[8] == [4, 5, 6, 7, 12, 13, 14, 15])
        #expect(found.placement(threads: 2)?.processors == [[0, 1, 2, 3], [4, 5, 6, 7]])
        // Six cores of one node and two of the other.
        let uneven = topology(machine(cores: 16, threads: 1, nodes: 2), allowed: [0, 1, 2, 3, 4, 5, 8, 9])
        let counts = Dictionary(grouping: try #require(uneven.placement(threads: 4)).processors, by: { $0 })
        #expect(counts.mapValues(\.count) == [[0, 1, 2, 3, 4, 5]: 3, [8, 9]: 1])
    }

    /// Who binds the process to a node gets that node and nothing else.
    @Test func theAffinityMaskGoesFirst() {
        let files = machine(cores: 8, threads: 2, nodes: 2)
        let oneNode = topology(files, allowed: [4, 5, 6, 7])
        #expect(oneNode.cores.map(\.processors) == [[4], [5], [6], [7]])
        #expect(oneNode.nodes == [1])
        #expect(oneNode.placement(threads: 4) == nil)
        // Both hyper-threads of two cores, and one of a third; a processor that is not online.
        let some = topology(files, allowed: [0, 1, 2, 8, 9, 99])
        #expect(some.cores.map(\.processors) == [[0, 8], [1, 9], [2]])
        #expect(some.placement(threads: 3)?.processors.first == [0, 1, 2])
    }

    /// Where nothing is told, every processor is a core of one node. Damaged files tell nothing.
    @Test(arguments: [nil, "x", "9-1", "0-99999999999999999999"])
    func whatIsNotToldIsPlain(damage: String?) {
        var files = machine(cores: 2, threads: 2, nodes: 2)
        for path in files.keys where !path.hasSuffix("cpu/online") { files[path] = damage }
        let found = topology(files)
        #expect(found.cores.map(\.processors) == [[0], [1], [2], [3]])
        #expect(found.nodes == [0])
        #expect(found.placement(threads: 4) == nil)
    }

    @Test func nodesNeedNotBeInOrder() {
        var files = machine(cores: 4, threads: 1, nodes: 2)
        files["/sys/devices/system/node/node0/cpulist"] = "0,2"
        files["/sys/devices/system/node/node1/cpulist"] = "1,3"
        #expect(topology(files).cores.map(\.processors) == [[0], [2], [1], [3]])
        #expect(topology(files).placement(threads: 2)?.processors == [[0, 2], [1, 3]])
    }
}
