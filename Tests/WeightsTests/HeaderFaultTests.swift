import TestSupport
import Testing
import Weights

/// Where the JSON of a header is wrong, the file's byte is named: those of the length count.
@Suite struct HeaderFaultTests {
    @Test(
        arguments: [
            // A header's text; the byte at fault, counted by hand from the file's first; what is said.
            (#"{"w" 3}"#, 8 + 5, "a colon"), (#"{"w":{"dtype":"F32" "shape":[]}}"#, 8 + 20, "a comma or }"),
            ("{\"__metadata__\":{\"a\":\"b\nc\"}}", 8 + 23, "control character"),
            ("{\"w\":{\"note\":\"b\nc\"}}", 8 + 15, "control character"),
            (#"{"__metadata__":{"a":"\x"}}"#, 8 + 24, "no such escape"),
            (#"{"w":{"note":,"shape":[]}}"#, 8 + 13, "a value"), (#"{"w":{"shape":[1 2]}}"#, 8 + 17, "a comma or ]"),
            (#"{"w":{"shape":[1,2"#, 8 + 18, "a comma or ]"), ("{}x", 8 + 2, "more after"), ("", 8, "a value"),
            ("  nul", 8 + 2, "not a JSON object"),
        ])
    func theByteIsNamed(header: String, byte: Int, words: String) throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(safetensors(header))
        let error = #expect(throws: WeightError.self) { try Safetensors(path: path) }
        let message = "\(try #require(error))"
        #expect(message.contains(words), "\(message)")
        #expect(message.hasSuffix("at byte \(byte)") || words == "not a JSON object", "\(message)")
    }

    /// What is no list of whole numbers >= 0 is no shape, whatever it is.
    @Test(arguments: [
        "1", "\"1\"", "[1.0]", "[1e0]", "[-0]", "[null]", "[[1]]", "[\"1\"]", "[9223372036854775808]", "{}",
    ])
    func noShape(text: String) throws {
        let folder = try TemporaryFolder()
        let header = "{\"w\":{\"dtype\":\"U8\",\"shape\":\(text),\"data_offsets\":[0,1]}}"
        let path = try folder.write(safetensors(header, data: [1]))
        let error = #expect(throws: WeightError.self) { try Safetensors(path: path) }
        #expect("\(try #require(error))".contains("shape is not a list"))
    }
}
