import CFFmpeg
import Foundation
import Pictures

/// Writes an MP4 file, one frame at a time.
///
/// The file is H.264 High (or AV1) in yuv420p, tagged and converted as BT.709 limited range, with its index in
/// front (`+faststart`), so browsers start to play before the whole file came. It holds exactly the frames given.
///
/// The same frames and options give the same bytes on the same libraries, for any number of cores: one encoder
/// thread, no creation time, no muxer version. x264's own message with its settings stays in the stream: it is
/// the same every time, and it says how the clip was made.
///
/// The caller gives a path of its own (and renames it when all is done). Until `finish` returns the file is of no
/// use, and an encoder that is let go before removes it.
///
/// An encoder belongs to one thread at a time.
package final class MP4Encoder {
    package let path: String
    package let width: Int
    package let height: Int
    package private(set) var frameCount = 0

    private let pixelFormat: VideoOptions.PixelFormat
    private var container: UnsafeMutablePointer<AVFormatContext>?
    private var codec: UnsafeMutablePointer<AVCodecContext>?
    private var frame: UnsafeMutablePointer<AVFrame>?
    private var packet: UnsafeMutablePointer<AVPacket>?
    private let provenance: Provenance?
    private var createdFile = false
    private var finished = false

    /// Opens the encoder and creates the file; what was at `path` is overwritten.
    ///
    /// - Throws: `oddVideoSize`, `unsupportedVideoSize`, `invalidOption`, `nulInText`, `missingEncoder`, or
    ///   `ffmpeg`, for example when the file cannot be created.
    package init(path: String, width: Int, height: Int, options: VideoOptions = VideoOptions()) throws(MediaError) {
        self.path = path
        self.width = width
        self.height = height
        pixelFormat = options.pixelFormat
        provenance = options.provenance
        try options.check(width: width, height: height)
        Self.silenceLibraries
        try openEncoder(options)
        try openFile(options)
    }

    deinit {
        if let file = container?.pointee.pb, !finished {
            container?.pointee.pb = nil
            avio_close(file)
        }
        avformat_free_context(container)
        avcodec_free_context(&codec)
        av_frame_free(&frame)
        av_packet_free(&packet)
        // A regular file only: a path may be a pipe or a device, which is not ours to remove.
        if createdFile, !finished {
            var status = stat()
            if lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG { unlink(path) }
        }
    }

    /// Codes one frame. Encoders look ahead, so it may reach the file some calls later.
    ///
    /// - Throws: `wrongFrameSize`, `alreadyFinished`, `ffmpeg`.
    package func append(_ image: RGBImage) throws(MediaError) {
        guard !finished else { throw .alreadyFinished(path: path) }
        guard image.width == width, image.height == height else {
            throw .wrongFrameSize(expected: "\(width)x\(height)", given: "\(image.width)x\(image.height)")
        }
        guard let frame else { throw outOfMemory }
        let source = try YUVFrame(image, pixelFormat)
        // The encoder may still hold the buffer of the frame before; this gives a fresh one then.
        try check(av_frame_make_writable(frame), "taking a frame buffer")
        let lines = frame.pointee.linesize
        let planes = frame.pointee.data
        copy(source.luma, rowBytes: width, to: planes.0, stride: lines.0)
        copy(source.blueDifference, rowBytes: source.chromaWidth, to: planes.1, stride: lines.1)
        copy(source.redDifference, rowBytes: source.chromaWidth, to: planes.2, stride: lines.2)
        frame.pointee.pts = Int64(frameCount)
        try check(avcodec_send_frame(codec, frame), "coding frame \(frameCount) of \(path)")
        frameCount += 1
        try writePackets()
    }

    /// Codes what is still in the encoder, writes the index and closes the file. Syncing it is the caller's part.
    ///
    /// - Throws: `noFrames`, `alreadyFinished`, `ffmpeg`, for example when the disk is full.
    package func finish() throws(MediaError) {
        guard !finished else { throw .alreadyFinished(path: path) }
        guard frameCount > 0 else { throw .noFrames(path: path) }
        guard let container else { throw outOfMemory }
        try check(avcodec_send_frame(codec, nil), "coding the last frames of \(path)")
        try writePackets()
        try check(av_write_trailer(container), "writing the index of \(path)")
        if let provenance, let file = container.pointee.pb {
            // Behind all others, the box moves none of what the index points to. The muxer leaves off after the index.
            let end = avio_size(file)
            try check(Int32(clamping: min(avio_seek(file, end, SEEK_SET), end, 0)), "going to the end of \(path)")
            let box = provenance.mp4Box
            avio_write(file, box, Int32(box.count))
        }
        // Writes are buffered: what failed late shows only here.
        let status = container.pointee.pb?.pointee.error ?? 0
        try check(min(status, avio_closep(&container.pointee.pb)), "writing \(path)")
        finished = true
    }

    private func openEncoder(_ options: VideoOptions) throws(MediaError) {
        let name = options.codec.encoderName
        guard let encoder = avcodec_find_encoder_by_name(name) else {
            throw .missingEncoder(library: name, codec: options.codec.rawValue)
        }
        codec = avcodec_alloc_context3(encoder)
        frame = av_frame_alloc()
        packet = av_packet_alloc()
        guard let codec, let frame, packet != nil else { throw outOfMemory }
        let rate = options.frameRate
        let format = pixelFormat == .yuv444p ? AV_PIX_FMT_YUV444P : AV_PIX_FMT_YUV420P
        codec.pointee.width = Int32(width)
        codec.pointee.height = Int32(height)
        codec.pointee.pix_fmt = format
        codec.pointee.sample_aspect_ratio = AVRational(num: 1, den: 1)
        codec.pointee.time_base = AVRational(num: rate.denominator, den: rate.numerator)
        codec.pointee.framerate = AVRational(num: rate.numerator, den: rate.denominator)
        codec.pointee.colorspace = AVCOL_SPC_BT709
        codec.pointee.color_primaries = AVCOL_PRI_BT709
        codec.pointee.color_trc = AVCOL_TRC_BT709
        codec.pointee.color_range = AVCOL_RANGE_MPEG
        codec.pointee.chroma_sample_location = AVCHROMA_LOC_LEFT
        codec.pointee.flags |= AV_CODEC_FLAG_GLOBAL_HEADER
        // x264 cuts its work by the number of threads, and its output with it: the number must not come from
        // the machine.
        codec.pointee.thread_count = 1

        var settings = ["crf": "\(options.chosenCRF)", "preset": options.chosenPreset]
        switch options.codec {
        case .h264:
            settings["profile"] = pixelFormat == .yuv444p ? "high444" : "high"
            // x264's AVX-512 code (r3095) gives other bytes now and then, by the state of the heap, when macroblock
            // tree is on; held to AVX2 it has not in thousands of runs.
            if av_get_cpu_flags() & AV_CPU_FLAG_AVX512 != 0 { settings["x264-params"] = "asm=AVX2" }
        case .av1: settings["svtav1-params"] = "lp=1"
        }
        var dictionary = Self.dictionary(settings)
        defer { av_dict_free(&dictionary) }
        try check(avcodec_open2(codec, encoder, &dictionary), "opening the encoder \(name) for \(width)x\(height)")

        frame.pointee.format = format.rawValue
        frame.pointee.width = Int32(width)
        frame.pointee.height = Int32(height)
        try check(av_frame_get_buffer(frame, 0), "allocating a frame of \(width)x\(height)")
    }

    private func openFile(_ options: VideoOptions) throws(MediaError) {
        // "file:" keeps FFmpeg from reading a colon in the path as a protocol.
        let url = "file:" + path
        try check(avformat_alloc_output_context2(&container, nil, "mp4", url), "opening the MP4 muxer")
        guard let container, let codec, let stream = avformat_new_stream(container, nil) else { throw outOfMemory }
        container.pointee.flags |= AVFMT_FLAG_BITEXACT
        for (name, text) in [("comment", options.comment), (VideoOptions.recordTag, options.record)] {
            guard let text else { continue }
            try check(av_dict_set(&container.pointee.metadata, name, text, 0), "tagging \(path)")
        }
        stream.pointee.time_base = codec.pointee.time_base
        stream.pointee.avg_frame_rate = codec.pointee.framerate
        try check(avcodec_parameters_from_context(stream.pointee.codecpar, codec), "describing the stream of \(path)")
        try check(avio_open(&container.pointee.pb, url, AVIO_FLAG_WRITE), "creating \(path)")
        createdFile = true
        var dictionary = Self.dictionary(["movflags": "+faststart"])
        defer { av_dict_free(&dictionary) }
        try check(avformat_write_header(container, &dictionary), "writing the header of \(path)")
    }

    private func writePackets() throws(MediaError) {
        guard let container, let codec, let packet, let stream = container.pointee.streams?[0] else {
            throw outOfMemory
        }
        while true {
            let status = avcodec_receive_packet(codec, packet)
            if status == cffmpeg_error_again || status == cffmpeg_error_eof { return }
            try check(status, "coding \(path)")
            // Encoders leave it zero, and the muxer would guess how long the last frame stands.
            packet.pointee.duration = 1
            av_packet_rescale_ts(packet, codec.pointee.time_base, stream.pointee.time_base)
            packet.pointee.stream_index = stream.pointee.index
            try check(av_interleaved_write_frame(container, packet), "writing \(path)")
        }
    }

    /// Rows of a plane into FFmpeg's buffer, whose rows are padded.
    private func copy(_ plane: [UInt8], rowBytes: Int, to target: UnsafeMutablePointer<UInt8>?, stride: Int32) {
        guard let target else { return }
        plane.withUnsafeBufferPointer { source in
            guard let base = source.baseAddress else { return }
            for row in 0..<source.count / rowBytes {
                (target + row * Int(stride)).update(from: base + row * rowBytes, count: rowBytes)
            }
        }
    }

    private static func dictionary(_ entries: [String: String]) -> OpaquePointer? {
        var dictionary: OpaquePointer?
        for (key, value) in entries { av_dict_set(&dictionary, key, value, 0) }
        return dictionary
    }

    private func check(_ status: Int32, _ operation: String) throws(MediaError) {
        guard status < 0 else { return }
        throw .ffmpeg(operation: operation, reason: Self.reason(status))
    }

    /// An FFmpeg status in words.
    static func reason(_ status: Int32) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(AV_ERROR_MAX_STRING_SIZE)) { text in
            av_strerror(status, text.baseAddress, text.count)
            return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        }
    }

    private var outOfMemory: MediaError { .ffmpeg(operation: "writing \(path)", reason: "out of memory") }

    /// A server's log is its own: errors are thrown, so nothing of FFmpeg's goes to stderr.
    static let silenceLibraries: Void = {
        av_log_set_level(AV_LOG_QUIET)
        // SVT-AV1 prints its settings past FFmpeg's log. 1 is errors alone; what the user has set stays.
        setenv("SVT_LOG", "1", 0)
    }()
}
