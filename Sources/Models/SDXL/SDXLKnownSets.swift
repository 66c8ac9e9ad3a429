extension SDXLFamily {
    var knownSets: [KnownSet] {
        [
            KnownSet(
                name: "sdxl-turbo", family: name, makes: "pictures, 1 to 4 steps",
                licence: "Stability AI, not commercial",
                variants: [
                    KnownSet.Variant(
                        name: "fp16",
                        files: [KnownSet.File(.folder, "stabilityai/sdxl-turbo", 6_940, type: "fp16")], memory: 9)
                ])
        ]
    }
}
