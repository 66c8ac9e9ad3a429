import Foundation
import Jobs
import Testing

/// A path that gives no picture is told with the true reason, and nothing waits for it.
@Suite struct PictureFileTests {
    @Test func saysWhyAFileGivesNoPicture() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("phasor-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        #expect(mkfifo("\(folder)/pipe.png", 0o600) == 0)
        #expect(FileManager.default.createFile(atPath: "\(folder)/empty.png", contents: nil))
        #expect(FileManager.default.createFile(atPath: "\(folder)/huge.png", contents: nil))
        #expect(truncate("\(folder)/huge.png", 30 << 30) == 0)
        let cases = [
            ("none.png", "No such file or directory"), ("", "not a regular file"), ("pipe.png", "not a regular file"),
            ("empty.png", "it has no bytes"), ("huge.png", "32212254720 bytes"),
        ]
        for (name, reason) in cases {
            let error = #expect(throws: PictureFile.Unreadable.self) { try PictureFile(path: "\(folder)/\(name)") }
            #expect(error?.description.contains(reason) == true, "\(name): \(error?.description ?? "no error")")
        }
    }
}
