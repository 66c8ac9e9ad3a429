import Foundation
import Synchronization
import Testing

import Blobs
import Web

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

    /// More than a service of S3 lists at once.
    @Test(arguments: kinds)
    func `Names are found by what they begin with`(_ kind: Kind) throws {
        let (store, keeper) = try open(kind)
        try withExtendedLifetime(keeper) {
            // rclone remembers a folder that it has read, so files that it did not write come first.
            let ofS3 = (keeper as? S3Server).map { $0.folder.path + "/bucket/a/b" }
            let place = try #require(ofS3 ?? (keeper as? TestFolder)?.path)
            try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
            let mine = (0..<1003).map { "image_1-\($0).state" }
            for file in mine {
                try #require(FileManager.default.createFile(atPath: "\(place)/\(file)", contents: Data([7])))
            }
            for other in ["image_10-0.png", "image_2-1.png", "image_1"] { try store.put([1], as: name(other)) }
            let first = try name("image_1-")
            #expect(try store.names(startingWith: name("image_3")).isEmpty)
            let found = try store.names(startingWith: first).map(\.description)
            #expect(found.count == mine.count && Set(found) == Set(mine))
            try store.delete(name(mine[5]))
            #expect(try store.names(startingWith: name("image_1-5.")).isEmpty)
            #expect(try store.names(startingWith: name("image_10")).map(\.description) == ["image_10-0.png"])
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

    /// Connections are taken, and no word is said.
    @Test func `A service that hangs is given up soon`() throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let port = withUnsafeMutablePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                _ = bind(descriptor, address, length)
                _ = listen(descriptor, 8)
                _ = getsockname(descriptor, address, &length)
            }
            return UInt16(bigEndian: address.pointee.sin_port)
        }
        let access = try S3Access([
            "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_ENDPOINT_URL": "http://127.0.0.1:\(port)",
        ])
        let store = S3Blobs(access, bucket: "bucket", prefix: "", stallSeconds: 1)
        let begun = ContinuousClock.now
        let fault = #expect(throws: BlobFault.self) { try store.put([1, 2], as: name("x")) }
        #expect(fault?.place == "s3://bucket/x" && fault?.reason.isEmpty == false)
        // Without the limit of one exchange it is two minutes, four times.
        #expect(ContinuousClock.now - begun < .seconds(60))
    }

    // MARK: Links

    /// The example of AWS's documentation ("Authenticating Requests: Using Query Parameters").
    @Test func `A link is signed as AWS shows it`() throws {
        let access = try S3Access([
            "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        ])
        let address = "https://examplebucket.s3.amazonaws.com/test.txt"
        let link = S3Link(access: access, address: address)
            .text(seconds: 86_400, date: Date(timeIntervalSince1970: 1_369_353_600))
        #expect(
            link == address + "?X-Amz-Algorithm=AWS4-HMAC-SHA256"
                + "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
                + "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
                + "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404")
    }

    @Test(.enabled(if: S3Server.program != nil, S3Server.skipped))
    func `A link opens its blob, and no other`() async throws {
        let server = try S3Server()
        let store = try server.store()
        try store.put([1, 2, 3], as: name("x.png"))
        try store.put([4], as: name("y.png"))
        let link = try #require(store.link(to: name("x.png"), seconds: 60))
        let opened = try WebRequest("GET", link).send()
        #expect(opened.status == 200 && opened.body == [1, 2, 3] && opened.headers["content-type"] == "image/png")
        let changed = try WebRequest("GET", link.replacingOccurrences(of: "x.png", with: "y.png")).send()
        #expect(changed.status == 403)
        // AWS answers 403 to what is not signed, rclone 400.
        let plain = try WebRequest("GET", String(link.prefix { $0 != "?" })).send()
        #expect((400...403).contains(plain.status))
        #expect(try FolderBlobs(path: server.folder.path).link(to: name("x"), seconds: 60) == nil)
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
