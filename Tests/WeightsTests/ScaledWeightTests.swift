import Tensor
import Testing
import Weights

/// fp8 weights and the factors beside them.
@Suite struct ScaledWeightTests {
    /// Two rows of e4m3: 1, 2 and 0.5, -1.
    private static let values: [UInt8] = [0x38, 0x40, 0x30, 0xb8]

    private func reader(scales: [Float], name: String) throws -> (WeightReader, TemporaryFolder) {
        let folder = try TemporaryFolder()
        let header = """
            {"l.weight":{"dtype":"F8_E4M3","shape":[2,2],"data_offsets":[0,4]},\
            "\(name)":{"dtype":"F32","shape":[\(scales.count)],"data_offsets":[4,\(4 + scales.count * 4)]}}
            """
        let data = Self.values + scales.withUnsafeBytes { Array($0) }
        return (WeightReader(try Checkpoint(file: try folder.write(safetensors(header, data: data)))), folder)
    }

    @Test func withoutFactorsTheValuesStand() throws {
        let (reader, _) = try reader(scales: [3], name: "other")
        #expect(try reader.scope("l").weight("weight", [2, 2]).widened().array == [1, 2, 0.5, -1])
        #expect(reader.unusedKeys == ["other"])
    }

    @Test(arguments: ["l.scale_weight", "l.weight_scale"])
    func oneFactorServesAllRows(name: String) throws {
        let (reader, _) = try reader(scales: [3], name: name)
        #expect(try reader.scope("l").weight("weight", [2, 2]).widened().array == [3, 6, 1.5, -3])
        #expect(reader.unusedKeys.isEmpty)
    }

    @Test func oneFactorForEachRow() throws {
        let (reader, _) = try reader(scales: [3, 10], name: "l.weight_scale")
        #expect(try reader.scope("l").weight("weight", [2, 2]).widened().array == [3, 6, 5, -10])
    }

    @Test func factorsThatDoNotFitAreRefused() throws {
        let error = #expect(throws: WeightError.self) { try reader(scales: [3, 10, 4], name: "l.weight_scale") }
        #expect("\(try #require(error))".contains("l.weight_scale"))
    }

    /// It would make a black picture of noise long after it was read.
    @Test(arguments: [Float.nan, -.infinity]) func factorsThatAreNotFiniteAreRefused(factor: Float) throws {
        let error = #expect(throws: WeightError.self) { try reader(scales: [3, factor], name: "l.weight_scale") }
        #expect("\(try #require(error))".contains("\"l.weight_scale\" has a factor that is not a finite number"))
    }
}
