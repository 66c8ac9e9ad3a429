import Foundation

/// Which folders lie on disks of this machine, on which everybody sees at once what anybody does.
package struct LocalDisk {
    /// Where a file system begins, and of what kind it is, in the order in which they were mounted.
    private let mounts: [(point: [UInt8], kind: String)]

    /// Others may be shared, by a protocol whose listings are late.
    private static let kinds: Set = [
        "ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "bcachefs", "zfs", "tmpfs", "ramfs", "overlay",
    ]

    /// - Parameter table: `/proc/self/mountinfo`; see proc_pid_mountinfo(5).
    package init(_ table: [UInt8]) {
        mounts = table.split(separator: UInt8(ascii: "\n")).compactMap { line in
            let fields = line.split(separator: UInt8(ascii: " "))
            // Fields of any number stand between the options and the dash.
            guard fields.count > 6, let dash = fields[6...].firstIndex(where: { $0.elementsEqual("-".utf8) }),
                dash + 1 < fields.count
            else { return nil }
            return (Self.plain(fields[4]), String(decoding: fields[dash + 1], as: UTF8.self))
        }
    }

    /// Of this machine as it is now.
    static var current: Self { Self(Array(FileManager.default.contents(atPath: "/proc/self/mountinfo") ?? Data())) }

    /// - Parameter path: of something that is there.
    func holds(_ path: String) -> Bool {
        guard let resolved = realpath(path, nil) else { return false }
        defer { free(resolved) }
        return isLocal(String(cString: resolved))
    }

    /// - Parameter path: absolute, without links.
    package func isLocal(_ path: String) -> Bool {
        let path = Array(path.utf8)
        let slash = UInt8(ascii: "/")
        var best: (length: Int, kind: String)?
        for mount in mounts where path.starts(with: mount.point) {
            let length = mount.point.count
            // A folder begins there, and no longer name; of several at one place the last one is seen.
            guard path.count == length || mount.point.last == slash || path[length] == slash else { continue }
            if length >= best?.length ?? 0 { best = (length, mount.kind) }
        }
        return best.map { Self.kinds.contains($0.kind) } ?? false
    }

    /// Blanks and the like stand as `\040`: a backslash and three octal digits.
    private static func plain(_ field: ArraySlice<UInt8>) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = field
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\\"), let value = UInt8(String(decoding: rest.prefix(3), as: UTF8.self), radix: 8)
            {
                bytes.append(value)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return bytes
    }
}
