import Media

/// Names that Phasor gives files in a state folder. A file of any other name is somebody else's: it is never removed,
/// renamed or read.
package enum OwnName {
    /// Ending of a file that is not whole yet.
    static let aside = ".partial"
    /// Endings of finished files.
    private static let endings = FileType.allCases.map(\.rawValue)
    /// Files of one job at most.
    private static let files = 0..<10

    /// `image_` or `video_` and 32 hexadecimal digits.
    package static func isJob(_ name: some StringProtocol) -> Bool {
        let bytes = Array(name.utf8)
        return bytes.count == 38 && (name.hasPrefix("image_") || name.hasPrefix("video_"))
            && bytes[6...].allSatisfy(isHexadecimal)
    }

    /// The job and number of a finished file, `JOB-NUMBER.png`; nil for any other name.
    static func artifact(_ name: some StringProtocol) -> (job: String, index: Int)? {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, endings.contains(String(parts[1])) else { return nil }
        let names = parts[0].split(separator: "-", omittingEmptySubsequences: false)
        guard names.count == 2, isJob(names[0]), let index = Int(names[1]), files.contains(index),
            String(index) == names[1]
        else { return nil }
        return (String(names[0]), index)
    }

    /// The blob of a state of a job's latents, which a worker with that fence was the `progress`th time to write.
    package static func state(_ progress: Int64, of job: String, fence: Int64) -> String {
        "\(job)-\(fence)-\(progress)\(stateEnding)"
    }

    /// The blob of a preview, which a worker with that fence has made.
    package static func preview(_ number: Int, of job: String, fence: Int64) -> String {
        "\(job)-\(fence)-\(number)\(previewEnding)"
    }

    private static let (stateEnding, previewEnding) = (".state", ".preview")

    /// Whether a job's blob is of its way, not of what it was given or has made.
    package static func isOfAWay(_ name: String) -> Bool {
        name.hasSuffix(stateEnding) || name.hasSuffix(previewEnding)
    }

    /// The file of a picture that a job starts from.
    package static func picture(_ digest: String, of job: String) -> String { "\(job)-\(digest)" }

    /// The job and digest of such a file, `JOB-SHA256`; nil for any other name.
    static func picture(_ name: some StringProtocol) -> (job: String, digest: String)? {
        let parts = name.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, isJob(parts[0]), parts[1].utf8.count == 64, parts[1].utf8.allSatisfy(isHexadecimal)
        else { return nil }
        return (String(parts[0]), String(parts[1]))
    }

    /// 32 hexadecimal digits, which stand for a prompt and who encoded it.
    package static func isEmbedding(_ name: some StringProtocol) -> Bool {
        name.utf8.count == 32 && name.utf8.allSatisfy(isHexadecimal)
    }

    /// The 16 digits of earlier versions, whose embeddings nobody reads any more.
    static func isFormerEmbedding(_ name: some StringProtocol) -> Bool {
        name.utf8.count == 16 && name.utf8.allSatisfy(isHexadecimal)
    }

    /// The name that an unfinished file is to get; nil for one that has no such ending.
    package static func finished(_ name: String) -> Substring? {
        name.hasSuffix(aside) ? name.dropLast(aside.count) : nil
    }

    /// Every name that a file of a job in `artifacts/` may have.
    package static func artifacts(of job: String) -> [String] {
        guard isJob(job) else { return [] }
        return files.flatMap { index in endings.map { "\(job)-\(index).\($0)" } }
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
    }
}
