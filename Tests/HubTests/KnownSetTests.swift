import Hub
import Models
import Testing

@Suite struct KnownSetTests {
    @Test func knownSetsAreWhole() throws {
        for set in Families.knownSets {
            for variant in set.variants {
                for file in variant.files {
                    let name = try RepositoryName(file.path)
                    #expect((name.file == nil) == (file.role == .folder))
                }
            }
            #expect(set.variants.map(\.bytes) == set.variants.map(\.bytes).sorted(by: >))
            #expect(set.variant(for: .max)?.name == set.variants.first?.name)
            #expect(set.variant(for: 0)?.name == set.variants.last?.name)
            #expect(set.variant(named: "Q99") == nil)
            #expect(Families.family(named: set.family) != nil)
        }
        #expect(KnownSet.find("z-image-turbo:Q4_K_M")?.variant == "Q4_K_M")
        #expect(KnownSet.find("no-such-set") == nil)
    }

    /// Each stands in the folder of its family; none was lost on the way there.
    @Test func namesAndSizes() throws {
        let sizes = Dictionary(
            uniqueKeysWithValues: Families.knownSets.map { ($0.name, $0.variants.map { $0.bytes / 1_000_000 }) })
        #expect(
            sizes == [
                "z-image-turbo": [6577 + 4280 + 335, 4981 + 2497 + 335],
                "flux2-klein-4b": [4301 + 4280 + 336, 2604 + 2497 + 336],
                "wan2.2-t2v-lightning": [
                    2 * (15_400 + 1227) + 254 + 6040, 2 * (9650 + 1227) + 254 + 6040, 2 * (6510 + 1227) + 254 + 3660,
                ],
                "wan2.2-i2v-lightning": [2 * (9650 + 1227) + 254 + 6040],
                "qwen-image-lightning": [21_800 + 8099 + 254 + 850, 13_070 + 4683 + 254 + 850],
                "sdxl-turbo": [6940],
            ])
    }
}
