/// One of several equal shares of a manifest, each made by a run of its own, on whatever machine: every n-th file.
package struct Shard: Sendable, Equatable {
    /// The number of the shard, from 1.
    package let index: Int
    package let count: Int

    private static let most = 100_000

    /// `3/16` is the third of sixteen; nil for what is no share.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }),
            let index = Int(parts[0]), let count = Int(parts[1]), count <= Self.most, index >= 1, index <= count
        else { return nil }
        (self.index, self.count) = (index, count)
    }

    /// Where its run keeps what is on its way: runs of several shards may share an output folder.
    var folderName: String { "shard-\(index)-of-\(count)" }
}

extension Manifest {
    /// The files of one share. Neighbours go to different shares: lines that are dear often stand together.
    package func share(_ shard: Shard) -> Manifest {
        Manifest(items: items.enumerated().filter { $0.offset % shard.count == shard.index - 1 }.map(\.element))
    }
}
