// Scales images and classifies them, as mnist-trainer does. An image is bytes: channels × height × width.

/** Number that Keras adds to a standard deviation before dividing by it. */
const STD_EPSILON = 1e-6;

/** Side of a convolution kernel, and of a pool window. */
const KERNEL = 3;
const POOL = 2;

/** Decodes base64 to the bytes of an array of this type, little-endian as on every machine with a browser. */
function decode(base64, ArrayType) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  return new ArrayType(bytes.buffer);
}

/** Returns the mean and the population standard deviation. The sums are integers below 2⁵³, so they are exact. */
function meanAndStd(image) {
  const count = image.length;
  let sum = 0;
  let squares = 0;
  for (const pixel of image) {
    sum += pixel;
    squares += pixel * pixel;
  }
  return [sum / count, Math.sqrt(count * squares - sum * sum) / count];
}

/** A fitted scaling. It computes in f64 and rounds once to f32. */
class Scaling {
  constructor(fitted) {
    this.steps = fitted.steps;
    this.mean = fitted.mean && decode(fitted.mean, Float64Array);
    this.std = fitted.std && decode(fitted.std, Float64Array);
    this.whitening = fitted.whitening && decode(fitted.whitening, Float64Array);
  }

  /** Scales an image. */
  apply(image) {
    const scaled = this.beforeWhitening(image);
    return new Float32Array(this.whitening ? this.whiten(scaled) : scaled);
  }

  beforeWhitening(image) {
    const { rescale, samplewise_center, samplewise_std_normalization } = this.steps;
    let sampleMean = 0;
    let sampleDivisor = 1;
    if (samplewise_center) {
      const [mean, std] = meanAndStd(image);
      sampleMean = rescale * mean;
      if (samplewise_std_normalization) sampleDivisor = rescale * std + STD_EPSILON;
    }
    const groups = this.mean ? this.mean.length : 1;
    const size = image.length / groups;
    const scaled = new Float64Array(image.length);
    for (let group = 0; group < groups; group++) {
      const mean = this.mean ? this.mean[group] : 0;
      const divisor = this.std ? this.std[group] + STD_EPSILON : 1;
      for (let i = group * size; i < (group + 1) * size; i++) {
        scaled[i] = ((rescale * image[i] - sampleMean) / sampleDivisor - mean) / divisor;
      }
    }
    return scaled;
  }

  /** Multiplies by the symmetric whitening matrix. The page contains its lower triangle, row by row. */
  whiten(centered) {
    const whitened = new Float64Array(centered.length);
    let next = 0;
    for (let row = 0; row < centered.length; row++) {
      const value = centered[row];
      let sum = 0;
      for (let column = 0; column < row; column++) {
        const weight = this.whitening[next++];
        sum += weight * centered[column];
        whitened[column] += weight * value;
      }
      whitened[row] += sum + this.whitening[next++] * value;
    }
    return whitened;
  }
}

/** A convolution block: 3×3 convolution, ReLU, and 2×2 max-pool. */
class ConvBlock {
  /** `weights` are outputs × inputs × 3 × 3. */
  constructor(weights, bias, inputs) {
    this.bias = bias;
    this.inputs = inputs;
    // outputs × 3 × 3 × inputs: a row of a patch is then contiguous.
    this.weights = new Float32Array(weights.length);
    const taps = KERNEL * KERNEL;
    for (let output = 0; output < bias.length; output++) {
      for (let input = 0; input < inputs; input++) {
        for (let tap = 0; tap < taps; tap++) {
          this.weights[(output * taps + tap) * inputs + input] = weights[(output * inputs + input) * taps + tap];
        }
      }
    }
  }

  /** Takes height × width × inputs, and returns the same with half the sides and as many channels as outputs. */
  forward({ height, width, values }) {
    const { inputs, weights, bias } = this;
    const outputs = bias.length;
    const pooled = (side) => Math.floor((side - KERNEL + 1) / POOL);
    const [rows, columns] = [pooled(height), pooled(width)];
    const result = new Float32Array(rows * columns * outputs);
    const line = width * inputs;
    const taps = KERNEL * inputs;
    let next = 0;
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const patch = POOL * (row * line + column * inputs);
        let weight = 0;
        for (let output = 0; output < outputs; output++) {
          // The four positions of the pool window share each weight.
          let topLeft = 0;
          let topRight = 0;
          let bottomLeft = 0;
          let bottomRight = 0;
          for (let kernelRow = 0; kernelRow < KERNEL; kernelRow++) {
            const top = patch + kernelRow * line;
            const bottom = top + line;
            for (let tap = 0; tap < taps; tap++) {
              const w = weights[weight++];
              topLeft += w * values[top + tap];
              topRight += w * values[top + inputs + tap];
              bottomLeft += w * values[bottom + tap];
              bottomRight += w * values[bottom + inputs + tap];
            }
          }
          const largest = Math.max(topLeft, topRight, bottomLeft, bottomRight);
          result[next++] = Math.max(0, largest + bias[output]);
        }
      }
    }
    return { height: rows, width: columns, values: result };
  }
}

/** Applies a dense layer. `weights` are inputs × outputs. */
function dense(values, weights, bias) {
  const outputs = bias.length;
  const sums = new Float64Array(bias);
  for (let input = 0; input < values.length; input++) {
    const value = values[input];
    if (value === 0) continue;
    const row = input * outputs;
    for (let output = 0; output < outputs; output++) sums[output] += value * weights[row + output];
  }
  return new Float32Array(sums);
}

/** Rearranges height × width × channels to channels × height × width. */
function channelsFirst(values, channels) {
  const size = values.length / channels;
  const result = new Float32Array(values.length);
  for (let channel = 0; channel < channels; channel++) {
    for (let i = 0; i < size; i++) result[channel * size + i] = values[i * channels + channel];
  }
  return result;
}

/** Rearranges channels × height × width to height × width × channels. */
function channelsLast(values, channels) {
  return channelsFirst(values, values.length / channels);
}

function softmax(logits) {
  const largest = Math.max(...logits);
  const powers = Array.from(logits, (logit) => Math.exp(Math.fround(logit - largest)));
  const sum = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / sum);
}

/** A trained network with its scaling. */
class Model {
  constructor(trained, shape) {
    this.name = trained.name;
    this.scaling = new Scaling(trained.scaling);
    this.shape = shape;
    const tensors = trained.weights.map((tensor) => decode(tensor, Float32Array));
    const [weights1, bias1, weights2, bias2, ...denseLayers] = tensors;
    this.conv1 = new ConvBlock(weights1, bias1, shape.channels);
    this.conv2 = new ConvBlock(weights2, bias2, bias1.length);
    this.denseLayers = denseLayers;
  }

  /** Returns the probability of each class for a scaled image. */
  probabilities(scaled) {
    const { channels, height, width } = this.shape;
    const [weights1, bias1, weights2, bias2] = this.denseLayers;
    const blocks = this.conv2.forward(
      this.conv1.forward({ height, width, values: channelsLast(scaled, channels) }),
    );
    const features = channelsFirst(blocks.values, this.conv2.bias.length);
    const hidden = dense(features, weights1, bias1).map((value) => Math.max(0, value));
    return softmax(dense(hidden, weights2, bias2));
  }
}

/** Returns the class with the largest probability; the first one if several are equal. */
function mostProbable(probabilities) {
  return probabilities.indexOf(Math.max(...probabilities));
}
