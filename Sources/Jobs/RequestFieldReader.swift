import Media
import Pictures
import Pipelines

/// A door that requests come through, reading the fields of one: HTTP, or a manifest. A field that the door does not take, and
/// one that is not given, is nil.
package protocol RequestFieldReader {
    associatedtype Failure: Error

    mutating func text(_ field: RequestField) throws(Failure) -> String?
    mutating func name(_ field: RequestField) throws(Failure) -> String?
    mutating func integer(_ field: RequestField) throws(Failure) -> Int?
    mutating func number(_ field: RequestField) throws(Failure) -> Double?
    mutating func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ field: RequestField, _: Choice.Type
    ) throws(Failure) -> Choice?
}

extension GenerationRequest {
    /// Takes the fields whose values go into a request as they are; the kind must be known. What else there is, each door reads
    /// by itself: prompts with their tags, sizes, lengths, seeds, pictures.
    package mutating func take<Reader: RequestFieldReader>(from reader: inout Reader) throws(Reader.Failure) {
        negativePrompt = try reader.text(RequestFields.negativePrompt)
        generator = try reader.name(RequestFields.generator)
        steps = try reader.integer(RequestFields.stepCount)
        guidanceScale = try reader.number(RequestFields.guidanceScale).map { Float($0) }
        guidanceScale2 = try reader.number(RequestFields.guidanceScale2).map { Float($0) }
        fit = try reader.choice(RequestFields.fit, PictureFit.self)
        decoder = try reader.choice(RequestFields.decoder, LatentDecoder.self)
        strength = try reader.number(RequestFields.strength).map { Float($0) }
        switch kind {
        case .image:
            outputFormat = try reader.choice(RequestFields.outputFormat, PictureFormat.self)
            outputCompression = try reader.integer(RequestFields.outputCompression)
        case .video:
            if let rate = try reader.integer(RequestFields.fps) { fps = rate }
            codec = try reader.choice(RequestFields.codec, VideoOptions.Codec.self)
            pixelFormat = try reader.choice(RequestFields.pixelFormat, VideoOptions.PixelFormat.self)
            crf = try reader.integer(RequestFields.crf)
            preset = try reader.name(RequestFields.preset)
        }
    }
}
