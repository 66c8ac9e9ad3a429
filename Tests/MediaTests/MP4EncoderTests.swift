import Foundation
import Media
import Pictures
import Testing

@Suite struct MP4EncoderTests {
    @discardableResult
    private func encode(_ frames: [RGBImage], to path: String, options: VideoOptions = VideoOptions()) throws -> [UInt8]
    {
        let first = try #require(frames.first)
        let encoder = try MP4Encoder(path: path, width: first.width, height: first.height, options: options)
        for frame in frames { try encoder.append(frame) }
        try encoder.finish()
        return [UInt8](try Data(contentsOf: URL(filePath: path)))
    }

    private struct Probe: Decodable {
        struct Stream: Decodable {
            let codecName, profile, pixFmt, colorRange, colorSpace, colorTransfer, colorPrimaries: String
            let rFrameRate, avgFrameRate, nbReadFrames, startTime, duration: String
            let chromaLocation: String?
            let width, height: Int
        }
        struct Format: Decodable {
            let duration: String
            let tags: [String: String]
        }
        let streams: [Stream]
        let format: Format
    }

    private func probe(_ path: String) throws -> (stream: Probe.Stream, format: Probe.Format) {
        let json = try run(
            "ffprobe", "-v", "error", "-count_frames", "-show_streams", "-show_format", "-of", "json", path)
        let probe = try snakeCase.decode(Probe.self, from: Data(json))
        try #require(probe.streams.count == 1)
        return (probe.streams[0], probe.format)
    }

    @Test(arguments: [1, 2, 33])
    func ffprobeSeesWhatWasGiven(frames: Int) throws {
        let scratch = try Scratch()
        let path = scratch.path("a.mp4")
        try encode(try clip(width: 98, height: 66, frames: frames), to: path)
        let (stream, format) = try probe(path)
        #expect(stream.codecName == "h264")
        #expect(stream.profile == "High")
        #expect(stream.pixFmt == "yuv420p")
        #expect((stream.width, stream.height) == (98, 66))
        #expect(stream.colorRange == "tv")
        #expect(stream.colorSpace == "bt709")
        #expect(stream.colorTransfer == "bt709")
        #expect(stream.colorPrimaries == "bt709")
        #expect(stream.chromaLocation == "left")
        #expect(stream.nbReadFrames == "\(frames)")
        #expect(stream.rFrameRate == "16/1")
        #expect(stream.avgFrameRate == "16/1")
        #expect(stream.startTime == "0.000000")
        #expect(stream.duration == String(format: "%.6f", Double(frames) / 16))
        #expect(abs((Double(format.duration) ?? 0) - Double(frames) / 16) < 0.002)
        #expect(format.tags["encoder"] == nil && format.tags["creation_time"] == nil)
    }

    @Test func framesStandAtTheirTimes() throws {
        let scratch = try Scratch()
        let path = scratch.path("a.mp4")
        try encode(
            try clip(width: 64, height: 64, frames: 24), to: path,
            options: VideoOptions(frameRate: try FrameRate(30_000, per: 1001)))
        #expect(try probe(path).stream.rFrameRate == "30000/1001")
        let lines = try run("ffprobe", "-v", "error", "-show_entries", "frame=pts_time", "-of", "csv=p=0", path)
        let times = String(decoding: lines, as: UTF8.self).split(whereSeparator: { $0.isNewline || $0 == "," })
            .compactMap { Double($0) }
        #expect(times.count == 24)
        for (index, time) in times.enumerated() { #expect(abs(time - Double(index) * 1.001 / 30) < 1e-5) }
    }

    @Test func theIndexStandsBeforeTheData() throws {
        let scratch = try Scratch()
        let file = try encode(try clip(width: 64, height: 64, frames: 5), to: scratch.path("a.mp4"))
        var boxes: [String] = []
        var offset = 0
        while offset + 8 <= file.count {
            let size = file[offset..<offset + 4].reduce(0) { $0 << 8 | Int($1) }
            boxes.append(String(decoding: file[offset + 4..<offset + 8], as: UTF8.self))
            try #require(size >= 8)
            offset += size
        }
        #expect(offset == file.count)
        let index = try #require(boxes.firstIndex(of: "moov"))
        #expect(index < (boxes.firstIndex(of: "mdat") ?? 0))
    }

    /// Decoded by what the file's own tags say; the error left is that of 8-bit limited-range YUV and of CRF 1.
    @Test func coloursComeBack() throws {
        let scratch = try Scratch()
        let colours: [[UInt8]] = [
            [255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0], [255, 255, 0], [0, 255, 255],
            [255, 0, 255], [128, 128, 128], [200, 120, 40], [17, 99, 180], [90, 140, 60],
        ]
        let side = 48
        let image = try picture(width: side * 4, height: side * 3) { x, y in colours[y / side * 4 + x / side] }
        let path = scratch.path("a.mp4")
        try encode([image, image], to: path, options: VideoOptions(crf: 1))
        let decoded = try run(
            "ffmpeg", "-v", "error", "-i", path, "-frames:v", "1", "-vf",
            "scale=in_color_matrix=auto:in_range=auto:flags=accurate_rnd+full_chroma_int+full_chroma_inp,format=rgb24",
            "-f", "rawvideo", "-")
        try #require(decoded.count == image.bytes.count)
        for (number, colour) in colours.enumerated() {
            // Away from the edges, where 4:2:0 blends neighbours.
            for (dx, dy) in [(8, 8), (24, 24), (39, 39)] {
                let pixel = (number / 4 * side + dy) * side * 4 + number % 4 * side + dx
                let found = Array(decoded[pixel * 3..<pixel * 3 + 3])
                #expect(largestDifference(found, colour) <= 2, "\(colour) came back as \(found)")
            }
        }
    }

    @Test func theClipLooksLikeItsFrames() throws {
        let scratch = try Scratch()
        let frames = try clip(width: 96, height: 64, frames: 20)
        let path = scratch.path("a.mp4")
        try encode(frames, to: path)
        let decoded = try run("ffmpeg", "-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "gray", "-")
        try #require(decoded.count == 96 * 64 * 20)
        for (index, frame) in frames.enumerated() {
            // Expand the expected luma as FFmpeg does for its full-range grey.
            let expected = try YUVFrame(frame).luma.map { (Double($0) - 16) * 255 / 219 }
            let found = decoded[index * 96 * 64..<(index + 1) * 96 * 64]
            let squares = zip(expected, found).reduce(0.0) { $0 + ($1.0 - Double($1.1)) * ($1.0 - Double($1.1)) }
            let psnr = 10 * log10(255 * 255 * Double(expected.count) / squares)
            #expect(psnr > 40, "frame \(index)")
        }
    }

    /// Many times, with memory of many sizes in use between: x264's AVX-512 code fails this.
    @Test(arguments: [(VideoOptions.Codec.h264, 60), (.av1, 3)])
    func sameFramesGiveTheSameBytes(codec: VideoOptions.Codec, runs: Int) throws {
        let scratch = try Scratch()
        let path = scratch.path("a.mp4")
        let frames = try clip(width: 96, height: 64, frames: 12)
        let options = VideoOptions(codec: codec, comment: "the same")
        let first = try encode(frames, to: path, options: options)
        var memory: [[UInt8]] = []
        for run in 1..<runs {
            memory.append([UInt8](repeating: UInt8(run), count: 1000 + run * 7777 % 100_000))
            if memory.count > 7 { memory.removeFirst(3) }
            let equal = try encode(frames, to: path, options: options) == first
            #expect(equal, "run \(run)")
        }
        let different = try encode(frames.reversed(), to: path, options: options) != first
        #expect(different)
    }

    @Test func av1IsWritten() throws {
        let scratch = try Scratch()
        let path = scratch.path("a.mp4")
        try encode(
            try clip(width: 96, height: 64, frames: 9), to: path,
            options: VideoOptions(codec: .av1, frameRate: try FrameRate(24)))
        let (stream, _) = try probe(path)
        #expect(stream.codecName == "av1")
        #expect(stream.pixFmt == "yuv420p")
        #expect(stream.colorRange == "tv")
        #expect(stream.colorSpace == "bt709")
        #expect(stream.nbReadFrames == "9")
        #expect(stream.rFrameRate == "24/1")
        #expect(stream.duration == "0.375000")
    }

    @Test func theCommentIsReadByOthers() throws {
        let scratch = try Scratch()
        let path = scratch.path("a:b 雪.mp4")
        let comment = "雪の山, \"snow\"\nSteps: 4, Seed: 7"
        try encode(try clip(width: 64, height: 64, frames: 2), to: path, options: VideoOptions(comment: comment))
        #expect(try probe("file:" + path).format.tags["comment"] == comment)
        #expect(try VideoReader.tags(path: path)["comment"] == comment)
        let record = "{\"prompt\":\"雪の山\\n\"}"
        var options = VideoOptions(comment: comment)
        options.record = record
        try encode(try clip(width: 64, height: 64, frames: 2), to: path, options: options)
        #expect(try probe("file:" + path).format.tags["comment"] == comment)
        #expect(try probe("file:" + path).format.tags[VideoOptions.recordTag] == record)
        #expect(try VideoReader.tags(path: path)[VideoOptions.recordTag] == record)
        #expect(throws: MediaError.self) { try VideoReader.tags(path: path + "-") }
    }

    @Test func lowerQualityIsSmaller() throws {
        let scratch = try Scratch()
        let frames = try (0..<6).map { try noise(width: 96, height: 96, seed: $0) }
        let fine = try encode(frames, to: scratch.path("a.mp4"), options: VideoOptions(crf: 10))
        let coarse = try encode(frames, to: scratch.path("b.mp4"), options: VideoOptions(crf: 40, preset: "veryfast"))
        #expect(coarse.count * 2 < fine.count)
    }

    @Test func badOptionsAreRefused() throws {
        let scratch = try Scratch()
        let path = scratch.path("a.mp4")
        #expect(throws: MediaError.oddVideoSize(width: 63, height: 64)) {
            try MP4Encoder(path: path, width: 63, height: 64)
        }
        for (width, height) in [(0, 64), (-2, 64), (64, 1 << 40)] {
            #expect(throws: MediaError.self) { try MP4Encoder(path: path, width: width, height: height) }
        }
        #expect(throws: MediaError.self) {
            try MP4Encoder(path: path, width: 32, height: 32, options: VideoOptions(codec: .av1))
        }
        for options in [
            VideoOptions(crf: 0), VideoOptions(crf: 52), VideoOptions(preset: "warp"),
            VideoOptions(codec: .av1, preset: "medium"), VideoOptions(comment: "a\0b"),
        ] {
            #expect(throws: MediaError.self) {
                try MP4Encoder(path: path, width: 64, height: 64, options: options)
            }
        }
        for (numerator, denominator) in [(0, 1), (-16, 1), (16, 0), (Int.max, 1), (1001, 1)] {
            #expect(throws: MediaError.self) { try FrameRate(numerator, per: denominator) }
        }
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    @Test func wrongFramesAreRefusedAndTheRestIsKept() throws {
        let scratch = try Scratch()
        let path = scratch.path("a.mp4")
        let frames = try clip(width: 64, height: 64, frames: 3)
        let encoder = try MP4Encoder(path: path, width: 64, height: 64)
        for frame in frames { try encoder.append(frame) }
        #expect(throws: MediaError.wrongFrameSize(expected: "64x64", given: "32x64")) {
            try encoder.append(try noise(width: 32, height: 64))
        }
        try encoder.finish()
        #expect(throws: MediaError.alreadyFinished(path: path)) { try encoder.append(frames[0]) }
        #expect(throws: MediaError.alreadyFinished(path: path)) { try encoder.finish() }
        #expect(try probe(path).stream.nbReadFrames == "3")
    }

    @Test func nothingIsLeftOfAClipThatWasNotFinished() throws {
        let scratch = try Scratch()
        let path = scratch.path("a.mp4")
        do {
            let encoder = try MP4Encoder(path: path, width: 64, height: 64)
            #expect(throws: MediaError.noFrames(path: path)) { try encoder.finish() }
        }
        #expect(!FileManager.default.fileExists(atPath: path))
        do {
            let encoder = try MP4Encoder(path: path, width: 64, height: 64)
            for frame in try clip(width: 64, height: 64, frames: 60) { try encoder.append(frame) }
            #expect(FileManager.default.fileExists(atPath: path))
        }
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    @Test func aPathThatCannotBeWrittenSaysSo() throws {
        let scratch = try Scratch()
        let path = scratch.path("none/a.mp4")
        let error = #expect(throws: MediaError.self) { try MP4Encoder(path: path, width: 64, height: 64) }
        #expect(error?.description == "creating \(path): No such file or directory")
    }

    /// Linux's /dev/full takes every open and fails every write, like a full disk.
    @Test func aFullDiskIsAnErrorAndTheDeviceStays() throws {
        let error = #expect(throws: MediaError.self) {
            try encode(try clip(width: 64, height: 64, frames: 4), to: "/dev/full")
        }
        #expect(error?.description.contains("No space left on device") == true)
        #expect(FileManager.default.fileExists(atPath: "/dev/full"))
    }
}
