/// Files that stand where weights or JSON should be after a download that went wrong, told by their first bytes.
package enum ForeignFile {
    /// How many of the first bytes are looked at.
    package static let looked = 512

    /// What the file is, as the end of a sentence that begins with "it is"; nil where nothing foreign is seen.
    /// - Parameter start: the file's first bytes, `looked` of them where it has so many.
    package static func description(of start: some Collection<UInt8>) -> String? {
        if start.starts(with: "version https://git-lfs".utf8) {
            return "a Git LFS pointer: the file itself was never downloaded (`git lfs pull` brings it)"
        }
        // A byte order mark and blanks may come before the first tag.
        var text = start[...]
        if text.starts(with: [0xEF, 0xBB, 0xBF]) { text = text.dropFirst(3) }
        text = text.drop { $0 == 0x20 || (0x09...0x0D).contains($0) }
        if text.starts(with: "<".utf8) {
            return "a web page: the download went wrong (a link to the page of the file, or a site that wants a login)"
        }
        return nil
    }
}
