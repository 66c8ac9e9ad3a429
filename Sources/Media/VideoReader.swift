import CFFmpeg
import Pictures

/// Reads a frame of a clip back, for sheets of many clips. Takes what `MP4Encoder` writes: 8-bit 4:2:0 or 4:4:4,
/// BT.709, limited range.
package enum VideoReader {
    /// The frame halfway through the clip.
    ///
    /// - Throws: `ffmpeg` for what is no such file, `missingDecoder`.
    package static func middleFrame(path: String) throws(MediaError) -> RGBImage {
        try frame(path: path) { $0 / 2 }
    }

    /// The clip's first frame.
    ///
    /// - Throws: as `middleFrame`.
    package static func firstFrame(path: String) throws(MediaError) -> RGBImage {
        try frame(path: path) { _ in 0 }
    }

    /// - Parameter index: which frame of how many.
    private static func frame(path: String, _ index: (_ count: Int) -> Int) throws(MediaError) -> RGBImage {
        var container: UnsafeMutablePointer<AVFormatContext>?
        // "file:" keeps FFmpeg from reading a colon in the path as a protocol.
        try check(avformat_open_input(&container, "file:" + path, nil, nil), "opening \(path)")
        defer { avformat_close_input(&container) }
        try check(avformat_find_stream_info(container, nil), "reading the streams of \(path)")
        let number = av_find_best_stream(container, AVMEDIA_TYPE_VIDEO, -1, -1, nil, 0)
        try check(number, "finding the video of \(path)")
        guard let stream = container?.pointee.streams?[Int(number)], let parameters = stream.pointee.codecpar,
            let decoder = avcodec_find_decoder(parameters.pointee.codec_id)
        else { throw .ffmpeg(operation: "opening \(path)", reason: "libavcodec has no decoder for it") }
        var codec = avcodec_alloc_context3(decoder)
        var frame = av_frame_alloc()
        var packet = av_packet_alloc()
        defer {
            avcodec_free_context(&codec)
            av_frame_free(&frame)
            av_packet_free(&packet)
        }
        guard let codec, let frame, let packet else {
            throw .ffmpeg(operation: "reading \(path)", reason: "out of memory")
        }
        try check(avcodec_parameters_to_context(codec, parameters), "opening the decoder for \(path)")
        codec.pointee.thread_count = 1
        try check(avcodec_open2(codec, decoder, nil), "opening the decoder for \(path)")

        var left = max(index(Int(stream.pointee.nb_frames)), 0)
        var last: RGBImage?
        while true {
            // At the end an empty packet asks for the frames that are still inside.
            let isEnd = av_read_frame(container, packet) < 0
            defer { av_packet_unref(packet) }
            guard isEnd || packet.pointee.stream_index == number else { continue }
            try check(avcodec_send_packet(codec, isEnd ? nil : packet), "decoding \(path)")
            while avcodec_receive_frame(codec, frame) >= 0 {
                if left == 0 { return try image(frame, path) }
                left -= 1
                last = try image(frame, path)
            }
            if isEnd { break }
        }
        guard let last else { throw .noFrames(path: path) }
        return last
    }

    /// The tags of a file, by their names.
    ///
    /// - Throws: `ffmpeg` for what is no such file.
    package static func tags(path: String) throws(MediaError) -> [String: String] {
        MP4Encoder.silenceLibraries
        var container: UnsafeMutablePointer<AVFormatContext>?
        try check(avformat_open_input(&container, "file:" + path, nil, nil), "opening \(path)")
        defer { avformat_close_input(&container) }
        var tags: [String: String] = [:]
        var entry: UnsafeMutablePointer<AVDictionaryEntry>?
        while let next = av_dict_get(container?.pointee.metadata, "", entry, AV_DICT_IGNORE_SUFFIX) {
            tags[String(cString: next.pointee.key)] = String(cString: next.pointee.value)
            entry = next
        }
        return tags
    }

    /// BT.709 limited range to RGB (ITU-R BT.709-6, the inverse of `YUVFrame`); chroma of 4:2:0 by its nearest sample,
    /// which is enough for a small picture.
    private static func image(_ frame: UnsafeMutablePointer<AVFrame>, _ path: String) throws(MediaError) -> RGBImage {
        let (width, height) = (Int(frame.pointee.width), Int(frame.pointee.height))
        let format = AVPixelFormat(rawValue: frame.pointee.format)
        guard format == AV_PIX_FMT_YUV420P || format == AV_PIX_FMT_YUV444P, let luma = frame.pointee.data.0,
            let blue = frame.pointee.data.1, let red = frame.pointee.data.2
        else { throw .ffmpeg(operation: "decoding \(path)", reason: "its pixels are not 8-bit 4:2:0 or 4:4:4") }
        let shift = format == AV_PIX_FMT_YUV420P ? 1 : 0
        let lines = frame.pointee.linesize
        var bytes: [UInt8] = []
        bytes.reserveCapacity(width * height * 3)
        for y in 0..<height {
            for x in 0..<width {
                let grey = (Float(luma[y * Int(lines.0) + x]) - 16) * 255 / 219
                let cb = (Float(blue[(y >> shift) * Int(lines.1) + (x >> shift)]) - 128) * 255 / 112
                let cr = (Float(red[(y >> shift) * Int(lines.2) + (x >> shift)]) - 128) * 255 / 112
                for value in [grey + 0.7874 * cr, grey - 0.09366 * cb - 0.23406 * cr, grey + 0.9278 * cb] {
                    bytes.append(UInt8(min(max(value.rounded(), 0), 255)))
                }
            }
        }
        do {
            return try RGBImage(width: width, height: height, bytes: bytes)
        } catch {
            throw .ffmpeg(operation: "decoding \(path)", reason: "\(error)")
        }
    }

    private static func check(_ status: Int32, _ operation: String) throws(MediaError) {
        guard status < 0 else { return }
        throw .ffmpeg(operation: operation, reason: MP4Encoder.reason(status))
    }
}

/// The libraries that code pictures and clips; other versions may make other bytes of the same pixels.
package enum MediaLibraries {
    package static var versions: [String: String] {
        func version(_ number: UInt32) -> String { "\(number >> 16).\(number >> 8 & 255).\(number & 255)" }
        return [
            "libavcodec": version(avcodec_version()), "libavformat": version(avformat_version()), "libpng": PNG.version,
            "libjpeg-turbo": JPEG.version, "libwebp": WebP.version,
        ]
    }
}
