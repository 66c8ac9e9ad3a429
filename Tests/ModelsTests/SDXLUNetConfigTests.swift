import Foundation
import Models
import TestSupport
import Testing

struct SDXLUNetConfigTests {
    /// Each asks for something that the network does not compute; diffusers has all of them.
    @Test(arguments: [
        ("mid_block_type", "\"UNetMidBlock2D\""), ("mid_block_type", "null"), ("flip_sin_to_cos", "false"),
        ("freq_shift", "1"), ("only_cross_attention", "true"), ("only_cross_attention", "[false, true, false]"),
        ("dual_cross_attention", "true"), ("encoder_hid_dim_type", "\"text_proj\""), ("encoder_hid_dim", "64"),
        ("conv_in_kernel", "5"), ("conv_out_kernel", "5"), ("center_input_sample", "true"),
        ("time_embedding_type", "\"fourier\""), ("timestep_post_act", "\"silu\""), ("time_embedding_dim", "64"),
        ("time_embedding_act_fn", "\"silu\""), ("resnet_out_scale_factor", "2.0"), ("mid_block_scale_factor", "2"),
        ("num_class_embeds", "10"), ("resnet_skip_time_act", "true"), ("cross_attention_norm", "\"layer_norm\""),
        ("attention_type", "\"gated\""), ("downsample_padding", "0"), ("class_embeddings_concat", "true"),
        ("class_embed_type", "\"timestep\""), ("time_cond_proj_dim", "256"), ("act_fn", "\"mish\""),
        ("reverse_transformer_layers_per_block", "[[2, 1, 1]]"),
    ])
    func optionsOfTheUNetAreNamed(key: String, value: String) throws {
        let text = try Data(contentsOf: Fixtures.root.appending(path: "sdxl-tiny/unet/config.json"))
        var fields = try #require(try JSONSerialization.jsonObject(with: text) as? [String: Any])
        func read() throws -> SDXLUNetConfig {
            try JSONDecoder().decode(SDXLUNetConfig.self, from: JSONSerialization.data(withJSONObject: fields))
        }
        _ = try read()
        fields[key] = try JSONSerialization.jsonObject(with: Data(value.utf8), options: .fragmentsAllowed)
        let error = #expect(throws: DecodingError.self) { try read() }
        #expect("\(try #require(error))".contains("is not supported") || key == "time_cond_proj_dim")
        #expect("\(try #require(error))".contains(key))
    }
}
