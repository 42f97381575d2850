"""The preset dictionary of headers in files (zlib's `zdict`): text that the description of a model is likely to have.

It is part of the format of version 4: not a byte of it may change. deflate refers to what is near its end with fewer bits.
"""

_LONG = (
    # what has no short form: Keras' objects, initializers whose weights are drawn again
    ',"draws":{"fc1":{"initializer":{"module":"keras.initializers","class_name":"VarianceScaling","config":{"scale":1.0,"mo'
    'de":"fan_in","distribution":"truncated_normal","seed":1}},"shape":[3,3,64],"sha256":"0123456789abcdef","registered_nam'
    'e":"tf_supermask>He","tf_supermask>Xavier","distribution":"uniform","module":null,"tf_supermask.initializers"{"module"'
    ':"builtins","class_name":"function","config":"relu","registered_name":"relu"}{"module":"keras","class_name":"DTypePoli'
    'cy","config":{"name":"mixed_bfloat16"}},"name":"input_layer","inbound_nodes":[{"args":[[{"class_name":"__keras_tensor_'
    '_","config":{"shape":[null,32,32,3],"dtype":"float32","keras_history":["add",0,0]}}]],"kwargs":{"mask":null,"training"'
    ':false}}]},{"module":"keras.layers","class_name":"DepthwiseConv2D","config":{"name":"layer_normalization","trainable":'
    'true,"dtype":{"module":"keras","class_name":"DTypePolicy","config":{"name":"float32"}},"layer":"units":64,"kernel_size'
    '":[1,1],"strides":[1,1],"padding":"same","data_format":"channels_last","dilation_rate":[1,1],"groups":1,"depth_multipl'
    'ier":1,"activation":"linear","recurrent_activation":"sigmoid","use_bias":true,"quantization_config":null},"Embedding",'
    '"LSTM","GRU","SimpleRNN","Bidirectional","TimeDistributed","MultiHeadAttention","SeparableConv2D","Concatenate","Conv1'
    'D","Conv2DTranspose","LayerNormalization","ZeroPadding2D","Reshape","target_shape":[-1],"Permute","Rescaling"'
)
_LAYERS = (
    '["BatchNormalization","batch_normalization",{"trainable":false,"momentum":0.9,"epsilon":1e-05}],["ReLU","re_lu"],["Sof'
    'tmax","softmax"],["ELU","elu"],["Dropout","dropout",{"rate":0.2}],["AveragePooling2D","average_pooling2d",{"pool_size"'
    ':[3,3],"strides":[1,1]}],["GlobalMaxPooling2D","global_max_pooling2d"],["GlobalAveragePooling2D","global_average_pooli'
    'ng2d"],["Add","add",{},[[["conv001_norm",0,0],["conv002_norm",0,0]]]],["BatchNormalization","conv003_norm",{"trainable'
    '":false}],["Conv2D","conv2d",{"filters":16,"kernel_size":[1,1],"strides":[2,2],"activation":"relu"}],["Dense","dense",'
    '{"units":128,"activation":"softmax"}],["Dense","dense_1"]]},"registered_name":null},"kernels":["conv2d","conv2d_1","de'
    'nse","dense_1"]}'
)
_SEQUENTIAL = (
    '{"model":{"module":"keras","class_name":"Sequential","config":{"name":"sequential","trainable":true,"dtype":{"module":'
    '"keras","class_name":"DTypePolicy","config":{"name":"float32"}},"layers":[["InputLayer","input_layer",{"batch_shape":['
    'null,64]}],["Dense","signed_mask_dense",{"activation":"elu","use_bias":false,"units":300}],["Dense","signed_mask_dense'
    '_1",{"use_bias":false}]],"build_input_shape":[null,28,28,1]}},"kernels":["signed_mask_conv2d","signed_mask_dense","sig'
    'ned_mask_dense_1"]}'
)
_FUNCTIONAL = (
    '{"model":{"module":"keras.src.models.functional","class_name":"Functional","config":{"name":"functional","trainable":t'
    'rue,"layers":[["InputLayer","images",{"batch_shape":[null,28,28,1]}],["Conv2D","conv1",{"filters":64,"padding":"same",'
    '"use_bias":false}],["Activation","activation_1",{"activation":"relu"}],["MaxPooling2D","max_pooling2d_1",{"padding":"s'
    'ame"}],["Flatten","flatten_1"],["Dense","fc1",{"units":256,"use_bias":false}],["Activation","activation_1"],["Dense","'
    'fc2",{"units":100,"use_bias":false}],["Activation","activation_1"],["Dense","out",{"use_bias":false}]],"input_layers":'
    '["images",0,0],"output_layers":["out",0,0]},"registered_name":"Functional"},"kernels":["conv1","conv2","fc1","fc2","ou'
    't"]}'
)
WORDS = (_LONG + _LAYERS + _SEQUENTIAL + _FUNCTIONAL).encode()
