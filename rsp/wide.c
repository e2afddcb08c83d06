/* SPDX-License-Identifier: MIT */
#include "rsp/wide.h"

#if defined(__x86_64__) || defined(__i386__)

#include <immintrin.h>

#define AVX2  __attribute__((target("avx2,bmi,popcnt")))
#define BLOCK 32u
#define RUN   3u /* bytes behind a block that tell whether a run begins in it */

bool wide_is_there(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
	       __builtin_cpu_supports("popcnt");
}

/* From [BLOCK - n] on: n bytes of ones, and zeros. */
static const uint8_t first_bytes[2 * BLOCK] = {
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
};

AVX2 static inline __m256i load(const uint8_t *p)
{
	return _mm256_loadu_si256((const void *)p);
}

AVX2 static inline __m256i equal(__m256i v, char byte)
{
	return _mm256_cmpeq_epi8(v, _mm256_set1_epi8(byte));
}

AVX2 static inline uint32_t mask_of(__m256i v)
{
	return (uint32_t)_mm256_movemask_epi8(v);
}

AVX2 static inline __m256i plus_bytes(__m256i sums, __m256i v)
{
	return _mm256_add_epi64(sums, _mm256_sad_epu8(v, _mm256_setzero_si256()));
}

AVX2 static inline __m256i plus_first(__m256i sums, __m256i v, uint32_t n)
{
	return plus_bytes(sums, _mm256_and_si256(v, load(first_bytes + BLOCK - n)));
}

AVX2 static inline uint8_t total(__m256i sums)
{
	uint64_t part[4];

	_mm256_storeu_si256((void *)part, sums);
	return (uint8_t)(part[0] + part[1] + part[2] + part[3]);
}

AVX2 static inline uint32_t escapes_of(__m256i v)
{
	return mask_of(_mm256_or_si256(_mm256_or_si256(equal(v, '$'), equal(v, '#')),
				       _mm256_or_si256(equal(v, '}'), equal(v, '*'))));
}

AVX2 static inline uint32_t runs_of(__m256i v, const uint8_t *in)
{
	return mask_of(_mm256_and_si256(_mm256_cmpeq_epi8(v, load(in + 1)),
					_mm256_and_si256(_mm256_cmpeq_epi8(v, load(in + 2)),
							 _mm256_cmpeq_epi8(v, load(in + RUN)))));
}

AVX2 void wide_encode(struct wide *w)
{
	__m256i sums = _mm256_setzero_si256();

	while ((size_t)(w->end - w->in) >= BLOCK + RUN) {
		__m256i v = load(w->in);
		uint32_t escapes = escapes_of(v), runs = runs_of(v, w->in) & ~escapes;

		_mm256_storeu_si256((void *)w->out, v);
		if (!(escapes | runs)) {
			sums = plus_bytes(sums, v);
			w->in += BLOCK;
			w->out += BLOCK;
			continue;
		}
		uint32_t n = (uint32_t)__builtin_ctz(escapes | runs);
		sums = plus_first(sums, v, n);
		w->in += n;
		w->out += n;
		if (runs >> n & 1)
			break;
		w->out[0] = '}';
		w->out[1] = *w->in++ ^ 0x20;
		w->sum += (uint8_t)('}' + w->out[1]);
		w->out += 2;
	}
	w->sum += total(sums);
}

AVX2 void wide_decode(struct wide *w)
{
	__m256i sums = _mm256_setzero_si256();

	while ((size_t)(w->end - w->in) > BLOCK + 1) {
		__m256i v = load(w->in);
		uint32_t special = mask_of(_mm256_or_si256(
			_mm256_or_si256(equal(v, '$'), equal(v, '#')), equal(v, '}')));

		_mm256_storeu_si256((void *)w->out, v);
		if (!special) {
			sums = plus_bytes(sums, v);
			w->in += BLOCK;
			w->out += BLOCK;
			continue;
		}
		uint32_t n = (uint32_t)__builtin_ctz(special);
		sums = plus_first(sums, v, n);
		w->in += n;
		w->out += n;
		/* What ends a packet cannot be escaped. */
		if (w->in[0] != '}' || w->in[1] == '$' || w->in[1] == '#')
			break;
		*w->out++ = w->in[1] ^ 0x20;
		w->sum += (uint8_t)('}' + w->in[1]);
		w->in += 2;
	}
	w->sum += total(sums);
}

AVX2 size_t wide_fit(const uint8_t *data, size_t len, size_t room, size_t *used)
{
	size_t i = 0;

	for (; len - i >= BLOCK && room - *used >= (size_t)2 * BLOCK; i += BLOCK)
		*used += BLOCK + (size_t)__builtin_popcount(escapes_of(load(data + i)));
	return i;
}

#else

bool wide_is_there(void)
{
	return false;
}

void wide_encode(struct wide *w)
{
	(void)w;
}

void wide_decode(struct wide *w)
{
	(void)w;
}

size_t wide_fit(const uint8_t *data, size_t len, size_t room, size_t *used)
{
	(void)data;
	(void)len;
	(void)room;
	(void)used;
	return 0;
}

#endif
