import Foundation
import Synchronization
import Testing

import Blobs

/// One suite for all stores.
@Suite(.serialized, .timeLimit(.minutes(5))) struct BlobStoreTests {
    enum Kind: String, CaseIterable { case folder, s3 }

    static var kinds: [Kind] { S3Server.program == nil ? [.folder] : Kind.allCases }

    /// A store of that kind, and what keeps it alive.
    private func open(_ kind: Kind) throws -> (store: any BlobStore, keeper: AnyObject) {
        switch kind {
        case .folder:
            let folder = TestFolder()
            return (try FolderBlobs(path: folder.path), folder)
        case .s3:
            let server = try S3Server()
            return (try server.store(), server)
        }
    }

    private final class TestFolder {
        let path = FileManager.default.temporaryDirectory.appending(path: "phasor-blobs-\(UUID())").path
        deinit { try? FileManager.default.removeItem(atPath: path) }
    }

    private func bytes(_ count: Int, seed: UInt8 = 1) -> [UInt8] {
        var state = UInt32(seed)
        return (0..<count).map { _ in
            state = state &* 1_664_525 &+ 1_013_904_223
            return UInt8(truncatingIfNeeded: state >> 24)
        }
    }

    @Test(arguments: kinds, [0, 1, 1000, 5 << 20, 12_345_678])
    func `What was put is there, in whole and in parts`(_ kind: Kind, _ count: Int) throws {
        let (store, keeper) = try open(kind)
        try withExtendedLifetime(keeper) {
            let (blob, content) = (try name("image_0-0.png"), bytes(count))
            #expect(try store.read(blob, nil) == nil && store.size(of: blob) == nil)
            try store.put(content, as: blob)
            #expect(try store.size(of: blob) == count)
            // A difference of megabytes is not for a report.
            let isSame = try store.read(blob, nil) == content
            #expect(isSame)
            for range in [0..<1, 0..<count, count / 2..<count + 7, 3..<3, count..<count + 5] {
                let isSame = try store.read(blob, range) ?? [] == Array(content[range.clamped(to: 0..<count)])
                #expect(isSame, "\(range)")
            }
            // In place of what was there, shorter.
            try store.put([7], as: blob)
            #expect(try store.read(blob, nil) == [7])
            try store.delete(blob)
            #expect(try store.read(blob, nil) == nil && store.size(of: blob) == nil)
            try store.delete(blob)
        }
    }

    /// Object stores promise this themselves; rclone, which serves a folder here, does not keep the promise.
    @Test func `Whoever reads a folder meets a whole blob while another is put`() throws {
        let (store, keeper) = try open(.folder)
        try withExtendedLifetime(keeper) {
            let blob = try name("video_0-0.mp4")
            let versions = (1...3).map { bytes(200_000 + Int($0) * 1000, seed: UInt8($0)) }
            try store.put(versions[0], as: blob)
            let isDone = Atomic(false)
            let writers = (0..<2).map { writer in
                let ended = DispatchSemaphore(value: 0)
                Thread.detachNewThread {
                    for round in 0..<20 { try? store.put(versions[(round + writer) % 3], as: blob) }
                    ended.signal()
                }
                return ended
            }
            Thread.detachNewThread {
                for writer in writers { writer.wait() }
                isDone.store(true, ordering: .releasing)
            }
            var reads = 0
            while !isDone.load(ordering: .acquiring) || reads == 0 {
                let read = try store.read(blob, nil)
                #expect(read.map(versions.contains) == true, "\(read?.count ?? -1) bytes")
                reads += 1
            }
        }
    }

    // MARK: What goes wrong

    @Test func `A folder that goes away is told, and one that comes back is used`() throws {
        let folder = TestFolder()
        let store = try FolderBlobs(path: folder.path + "/")
        try FileManager.default.removeItem(atPath: folder.path)
        let fault = #expect(throws: BlobFault.self) { try store.put([1], as: name("a")) }
        #expect(fault?.reason == "No such file or directory" && fault?.place.hasPrefix(folder.path) == true)
        try FileManager.default.createDirectory(atPath: folder.path, withIntermediateDirectories: false)
        try store.put([1], as: name("a"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["a"])
        #expect(throws: BlobFault.self) { try FolderBlobs(path: folder.path + "/not/there") }
        #expect(throws: BlobFault.self) { try FolderBlobs(path: folder.path + "/a") }
    }

    @Test(.enabled(if: S3Server.program != nil, S3Server.skipped))
    func `Wrong secrets, buckets and services that are away are told without the secret`() throws {
        let server = try S3Server()
        let wrong = #expect(throws: BlobFault.self) { try server.store(secret: "another").put([1], as: name("x")) }
        #expect(
            wrong?.description.contains("s3://bucket/a/b/x: it answered 403") == true, "\(wrong.map { "\($0)" } ?? "")")
        let none = #expect(throws: BlobFault.self) { try server.store(bucket: "nobucket").read(name("x"), nil) }
        #expect(none?.reason == "NoSuchBucket")
        let store = try server.store()
        try store.put([1, 2], as: name("x"))
        #expect(FileManager.default.contents(atPath: server.folder.path + "/bucket/a/b/x") == Data([1, 2]))
        server.stop()
        let away = #expect(throws: BlobFault.self) { try store.read(name("x"), nil) }
        #expect(away?.reason.contains("secret") == false)
        try server.start()
        #expect(try store.read(name("x"), nil) == [1, 2])
    }

    // MARK: Names

    @Test(arguments: [
        ("file:///srv/x", BlobLocation.folder("/srv/x")), ("s3://bucket", .s3(bucket: "bucket", prefix: "")),
        ("s3://bucket/", .s3(bucket: "bucket", prefix: "")),
        ("s3://my.bucket/a/b/", .s3(bucket: "my.bucket", prefix: "a/b")),
        ("file://srv/x", nil), ("file:///", nil), ("/srv/x", nil), ("s3://", nil), ("s3:///a", nil),
        ("s3://bucket//a", nil), ("s3://bucket/a?b", nil), ("s3://bucket/../a", nil), ("s3://b u/", nil), ("", nil),
    ])
    func `Locations`(_ text: String, _ location: BlobLocation?) { #expect(BlobLocation(text) == location) }

    @Test(arguments: ["", ".", ".x", "a/b", "a b", "ü", "a%2f", String(repeating: "a", count: 201)])
    func `Names that mean something else are none`(_ text: String) { #expect(BlobName(text) == nil) }

    @Test(
        arguments: [
            ([:], "AWS_ACCESS_KEY_ID"), (["AWS_ACCESS_KEY_ID": "a"], "AWS_SECRET_ACCESS_KEY"),
            (["AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b\nc"], "AWS_SECRET_ACCESS_KEY has characters"),
            (
                ["AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_ENDPOINT_URL": "here"],
                "AWS_ENDPOINT_URL is 'here'"
            ),
            (["AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "x/y"], "AWS_REGION is 'x/y'"),
        ] as [([String: String], String)])
    func `What is missing of S3's variables is named`(_ environment: [String: String], _ words: String) {
        let fault = #expect(throws: BlobFault.self) { try S3Access(environment) }
        #expect(fault?.reason.contains(words) == true && fault?.description.contains("b\nc") == false)
    }

    @Test func `Buckets of AWS are hosts, of other services paths`() throws {
        let keys = ["AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "eu-west-1"]
        let aws = try S3Access(keys)
        #expect(aws.address(of: "bucket") == "https://bucket.s3.eu-west-1.amazonaws.com")
        #expect(aws.address(of: "my.bucket") == "https://s3.eu-west-1.amazonaws.com/my.bucket")
        let other = try S3Access(keys.merging(["AWS_ENDPOINT_URL_S3": "http://minio:9000/"]) { $1 })
        #expect(other.address(of: "bucket") == "http://minio:9000/bucket")
    }
}
