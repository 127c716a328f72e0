// Full-batch gradient descent with a preconditioned first layer, on m independent one-output networks at once:
// f(x) = b2 + sum_j v_j relu(w_j . x + b_j), loss mean (f - y)^2 plus l2/2 times the squared weights. And, for the
// methods whose steps are made elsewhere, the gradients of the mean (f - y)^2 and products with its Hessian.
//
// Why by hand: a step is two products with an inner size of only d+1, so with a matrix library the time goes into
// writing and reading n*h intermediates. Here only one bit for each (sample, unit) is stored:
//   forward   pre-activations of a tile stay in registers; what leaves is their share of f and the bits "pre <= 0";
//   backward  S[k,j] = sum_i x[i,k] r[i] [pre_ij > 0], summed in registers; x[i,d] = 1 makes row k = d the bias. Then
//             dL/dw_kj = v_j S[k,j]  and  dL/dv_j = sum_k w_kj S[k,j].
// Vectors run along hidden units, so only f needs sums across lanes. GCC/Clang vector extensions, no intrinsics.
//
// Along a direction (W', v', b2') these have derivatives f', r', S', with the same bits:
//   forward   f' = b2' + sum_j ([pre_j > 0] v_j w'_j . x + v'_j relu(pre_j)),  r' = 2 f' / n;
//   backward  S' from r'. Then row k of H times the direction is v_j S'[k,j] + v'_j S[k,j] in the first layer, and
//             sum_k w_kj S'[k,j] + w'_kj S[k,j] in the second.
#include <algorithm>
#include <cmath>
#include <vector>

// A tile is M samples (forward) or at most KMAX inputs (backward) by U vectors of units: as many sums as the 32 or 16
// registers hold. M divides 32, the bits in the shortest mask word.
#if defined(__AVX512F__)
enum { BYTES = 64, U = 2, M = 8, KMAX = 12 };
#elif defined(__aarch64__)
enum { BYTES = 16, U = 2, M = 8, KMAX = 12 };
#elif defined(__AVX__)
enum { BYTES = 32, U = 2, M = 4, KMAX = 6 };
#else
enum { BYTES = 16, U = 2, M = 4, KMAX = 6 };
#endif

template <class T> struct Net {  // parameters, or a direction: then f, r and S are derivatives along it
  typedef T V __attribute__((vector_size(BYTES)));
  typedef decltype(V() <= V()) I;  // integers in the shape of V: lane j collects the bits of unit j
  struct Sum { V u; };             // structs, as std::vector<V> would lose the attribute
  struct Row { V u[U]; };          // one number for each unit of a tile
  struct Bits { I u[U]; };
  static constexpr int L = BYTES / sizeof(T), H = U * L, BITS = 8 * sizeof(T);

  // Sizes are rounded up to whole tiles. The padding is zero, which has pre = 0: inactive, so it stays zero.
  const int n, d, h, q = d + 1, tiles = (h + H - 1) / H, blocks = (n + M - 1) / M, words = blocks * M / BITS + 1;
  const int sweeps = (q + KMAX - 1) / KMAX;  // of equal size: q = 13 is 7 + 6 rows, not 12 + 1
  std::vector<Row> W{size_t(tiles * q)}, v{size_t(tiles)}, S{size_t(q)};  // W [tile][k], v [tile], S [k]
  std::vector<Bits> off{size_t(tiles * words)};                           // [tile][word]
  std::vector<Sum> f{size_t(blocks * M)};
  std::vector<T> x = std::vector<T>(blocks * q * M), r = std::vector<T>(blocks * M);  // x [block][k][M]
  T b2 = 0, loss = 0, sum = 0;                                                        // sum: of r

  void products(const Row* w, int b, V (&p)[M][U]) const {  // of a block's samples and a tile's units
    for (int k = 0; k < q; k++)
#pragma GCC unroll 8
      for (int s = 0; s < M; s++)
        for (int u = 0; u < U; u++) p[s][u] += w[k].u[u] * x[(b * q + k) * M + s];
  }

  I mask(int tile, int b, int u) const { return off[tile * words + b * M / BITS].u[u] >> (b * M % BITS); }

  template <bool ALONG> void forward(int tile, Net* along = nullptr) {
    const Row vt = v[tile], ct = ALONG ? along->v[tile] : Row{};
    for (int b = 0; b < blocks; b++) {
      V p[M][U] = {}, c[M][U] = {};
      products(&W[tile * q], b, p);
      Bits& bits = off[tile * words + b * M / BITS];
      for (int u = 0; u < U; u++) {
        I mine = {};
#pragma GCC unroll 8
        for (int s = 0; s < M; s++) {
          const I dead = p[s][u] <= 0;  // a NaN is not <= 0: as in torch it counts as active, and reaches the loss
          p[s][u] = dead ? V{} : p[s][u];
          mine |= dead & (1 << s);
          f[b * M + s].u += p[s][u] * vt.u[u];
        }
        bits.u[u] = (b * M % BITS ? bits.u[u] : I{}) | mine << (b * M % BITS);
      }
      if constexpr (!ALONG) continue;
      products(&along->W[tile * q], b, c);
      for (int u = 0; u < U; u++)
#pragma GCC unroll 8
        for (int s = 0; s < M; s++)
          along->f[b * M + s].u += p[s][u] * ct.u[u] + (p[s][u] <= 0 ? V{} : c[s][u]) * vt.u[u];
    }
  }

  void residuals(const T* y) {
    loss = sum = 0;
    for (int i = 0; i < n; i++) {
      T e = y ? b2 - y[i] : b2;
      for (int l = 0; l < L; l++) e += f[i].u[l];
      loss += e * e / n, r[i] = 2 * e / n, sum += r[i];
    }
  }

  template <int K> void backward(int tile, Net& of, int k0, int count) {  // rows k0 .. k0+count; K = count, once found
    if constexpr (K > 1) if (count < K) return backward<K - 1>(tile, of, k0, count);
    V a[K][U] = {};
    for (int b = 0; b < blocks; b++) {
      I mine[U];
      for (int u = 0; u < U; u++) mine[u] = mask(tile, b, u);
#pragma GCC unroll 8
      for (int s = 0; s < M; s++) {
        V z[U];
        for (int u = 0; u < U; u++) z[u] = (mine[u] & (1 << s)) != 0 ? V{} : V{} + of.r[b * M + s];
#pragma GCC unroll 16
        for (int k = 0; k < K; k++)
          for (int u = 0; u < U; u++) a[k][u] += z[u] * x[(b * q + k0 + k) * M + s];
      }
    }
    for (int k = 0; k < K; k++) std::copy(a[k], a[k] + U, of.S[k0 + k].u);
  }

  void backward(int tile, Net& of) {  // S of these parameters or of a direction, from its r
    for (int c = 0, k = 0, to; c < sweeps; c++, k = to) backward<KMAX>(tile, of, k, (to = q * (c + 1) / sweeps) - k);
  }

  void update(int tile, const T* P, bool full, T lr, T l2) {
    Row *w = &W[tile * q];
    for (int u = 0; u < U; u++) {
      V &vu = v[tile].u[u], g2 = l2 * vu;
      for (int k = 0; k < q; k++) g2 += w[k].u[u] * S[k].u[u];
      for (int k = 0; k < q; k++) S[k].u[u] = vu * S[k].u[u] + (k < d ? l2 : T(0)) * w[k].u[u];
      for (int k = 0; k < d; k++) {
        V g = full ? V{} : P[k] * S[k].u[u];
        for (int l = 0; full && l < d; l++) g += P[k * d + l] * S[l].u[u];
        w[k].u[u] -= lr * g;
      }
      w[d].u[u] -= lr * S[d].u[u];
      vu -= lr * g2;
    }
  }

  bool step(const T* y, const T* P, bool full, T lr, T l2) {  // false: the loss is not finite, and nothing was changed
    std::fill(f.begin(), f.end(), Sum{});
    for (int t = 0; t < tiles; t++) forward<false>(t);
    residuals(y);
    if (!std::isfinite(loss)) return false;
    for (int t = 0; t < tiles; t++) backward(t, *this), update(t, P, full, lr, l2);
    b2 -= lr * sum;
    return true;
  }

  void to_gradient(const T* y) {  // parameters become dL/d parameters
    for (int t = 0; t < tiles; t++) forward<false>(t);
    residuals(y);
    for (int t = 0; t < tiles; t++) {
      backward(t, *this);
      for (int u = 0; u < U; u++) {
        V &vu = v[t].u[u], g2 = {};
        for (int k = 0; k < q; k++) {
          V& w = W[t * q + k].u[u];
          g2 += w * S[k].u[u], w = vu * S[k].u[u];
        }
        vu = g2;
      }
    }
    b2 = sum;
  }

  void to_product(const T* y, Net& along) {  // parameters become dL/d parameters, a direction H times it
    for (int t = 0; t < tiles; t++) forward<true>(t, &along);
    residuals(y), along.residuals(nullptr);
    for (int t = 0; t < tiles; t++) {
      backward(t, *this), backward(t, along);
      for (int u = 0; u < U; u++) {
        V &vu = v[t].u[u], &cu = along.v[t].u[u], g2 = {}, h2 = {};
        for (int k = 0; k < q; k++) {
          V &w = W[t * q + k].u[u], &c = along.W[t * q + k].u[u], s = S[k].u[u], sc = along.S[k].u[u];
          g2 += w * s, h2 += w * sc + c * s, c = vu * sc + cu * s, w = vu * s;
        }
        vu = g2, cu = h2;
      }
    }
    b2 = sum, along.b2 = along.sum;
  }

  void outputs(T* out, int count) {  // of the first samples
    std::fill(f.begin(), f.end(), Sum{});
    for (int t = 0; t < tiles; t++) forward<false>(t);
    for (int i = 0; i < count; i++) {
      out[i] = b2;
      for (int l = 0; l < L; l++) out[i] += f[i].u[l];
    }
  }

  void load(const T* inputs, int count) {
    for (int i = 0; i < count; i++)
      for (int k = 0; k < q; k++) x[(i / M * q + k) * M + i % M] = k < d ? inputs[i * d + k] : 1;
  }

  // theirs: w1 [m,d,h], b1 [m,h], w2 [m,h], b2 [m], of which this is model a
  void load_or_store(bool store, T* const* theirs, size_t a) {
    auto move = [&](void* ours, T* other, int count) {
      store ? std::copy_n((T*)ours, count, other) : std::copy_n(other, count, (T*)ours);
    };
    for (int t = 0; t < tiles; t++)
      for (int k = 0; k < q; k++)
        move(&W[t * q + k], theirs[k == d] + (a * (k < d ? d : 1) + k % d) * h + t * H, std::min(H, h - t * H));
    move(v.data(), theirs[2] + a * h, h), move(&b2, theirs[3] + a, 1);
  }
};

// All this is loaded after torch, so that the linker takes torch's OpenMP for ours: with a second pool of threads the
// idle ones of torch's would spin against them.

// x [m,n,d], y [m,n], preconditioner [m,d,d] (full) or its diagonals [m,d], rate and l2 [m]; w1 [m,d,h], b1 [m,h],
// w2 [m,h] and b2 [m] are updated in place. A model stops at a loss that is not finite; done [m] says how many updates
// each has made.
template <class T> void descend(int m, int n, int d, int h, int steps, int threads, int full, const T* x, const T* y,
    const T* preconditioner, const T* rate, const T* l2, T* w1, T* b1, T* w2, T* b2, int* done) {
  T* const params[] = {w1, b1, w2, b2};
#pragma omp parallel for schedule(dynamic) num_threads(threads)
  for (int model = 0; model < m; model++) {
    const size_t a = model;
    Net<T> net{n, d, h};
    net.load(x + a * n * d, n), net.load_or_store(false, params, a);
    for (done[a] = 0; done[a] < steps; done[a]++)
      if (!net.step(y + a * n, preconditioner + a * d * (full ? d : 1), full, rate[a], l2[a])) break;
    net.load_or_store(true, params, a);
  }
}

// Of the mean (f - y)^2: loss [m], its gradients at params and, where there is a direction, the products of its Hessian
// with that. Four arrays each, as in descend; direction and products may be null.
template <class T> void derive(int m, int n, int d, int h, int threads, const T* x, const T* y, T* const* params,
    T* const* direction, T* loss, T* const* gradients, T* const* products) {
#pragma omp parallel for schedule(dynamic) num_threads(threads)
  for (int model = 0; model < m; model++) {
    const size_t a = model;
    Net<T> net{n, d, h};
    net.load(x + a * n * d, n), net.load_or_store(false, params, a);
    if (direction) {
      Net<T> along{n, d, h};
      along.load_or_store(false, direction, a), net.to_product(y + a * n, along), along.load_or_store(true, products, a);
    } else {
      net.to_gradient(y + a * n);
    }
    net.load_or_store(true, gradients, a), loss[a] = net.loss;
  }
}

// The outputs [m,n] for inputs x [m,n,d], so many samples at a time that they stay in the cache; params as above.
template <class T> void predict(int m, int n, int d, int h, int threads, const T* x, T* const* params, T* out) {
#pragma omp parallel for schedule(dynamic) num_threads(threads)
  for (int model = 0; model < m; model++) {
    const size_t a = model;
    Net<T> net{std::min(n, 512), d, h};
    net.load_or_store(false, params, a);
    for (int i = 0; i < n; i += net.n) {
      const int count = std::min(net.n, n - i);
      net.load(x + (a * n + i) * d, count), net.outputs(out + a * n + i, count);
    }
  }
}

extern "C" {  // function pointers, so that the argument list stands only once
auto* descend_float = descend<float>;
auto* descend_double = descend<double>;
auto* derive_float = derive<float>;
auto* derive_double = derive<double>;
auto* predict_float = predict<float>;
auto* predict_double = predict<double>;
}
