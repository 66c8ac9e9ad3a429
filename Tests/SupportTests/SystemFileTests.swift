import Foundation
import Support
import Testing

@Suite struct SystemFileTests {
    /// The system's own reason for the folder that it refuses, not the one for asking whether that is there.
    @Test func foldersThatCannotBeMadeAreToldWithTheirCause() throws {
        let path = "/sys/phasor/state"
        let isRefused = mkdir("/sys/phasor", 0o777) != 0
        let cause = errno
        try #require(isRefused && cause != ENOENT)
        let fault = #expect(throws: FileFault.self) { try SystemFile.makeFolder(path) }
        #expect("\(try #require(fault))".contains(String(cString: strerror(cause))))
    }

    @Test func foldersAreMadeWithThoseAboveThem() throws {
        let top = "\(NSTemporaryDirectory())/phasor-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: top) }
        for _ in 0..<2 { try SystemFile.makeFolder("\(top)/a/b") }
        var isFolder: ObjCBool = false
        #expect(FileManager.default.fileExists(atPath: "\(top)/a/b", isDirectory: &isFolder) && isFolder.boolValue)
        try Data().write(to: URL(filePath: "\(top)/file"))
        let fault = #expect(throws: FileFault.self) { try SystemFile.makeFolder("\(top)/file/a") }
        #expect("\(try #require(fault))".contains("Not a directory"))
    }
}
