/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "stub/target/core_packed.h"

#if defined(HAVE_LIBZSTD) || defined(HAVE_LIBLZ4) || defined(HAVE_LIBLZMA) || defined(HAVE_ZLIB)
static void core_step_done(struct core_step *s, size_t taken, size_t given)
{
	s->in += taken;
	s->in_len -= taken;
	s->out += given;
	s->out_len -= given;
}
#endif

#ifdef HAVE_LIBZSTD
#include <zstd.h>

static void *zstd_begin(void)
{
	return ZSTD_createDStream();
}

/* Its window is at most 128 MiB if nobody asks for more. */
static void zstd_step(void *state, struct core_step *s)
{
	ZSTD_inBuffer from = { s->in, s->in_len, 0 };
	ZSTD_outBuffer to = { s->out, s->out_len, 0 };
	size_t left = ZSTD_decompressStream(state, &to, &from);

	core_step_done(s, from.pos, to.pos);
	s->end = left == 0;
	s->fault = ZSTD_isError(left) ? ZSTD_getErrorName(left) : NULL;
}

static void zstd_finish(void *state)
{
	ZSTD_freeDStream(state);
}
#define ZSTD_ROW NULL, zstd_begin, zstd_step, zstd_finish
#else
#define ZSTD_ROW "libzstd", NULL, NULL, NULL
#endif

#ifdef HAVE_LIBLZ4
#include <lz4frame.h>

static void *lz4_begin(void)
{
	LZ4F_dctx *state = NULL;
	return LZ4F_isError(LZ4F_createDecompressionContext(&state, LZ4F_VERSION)) ? NULL : state;
}

static void lz4_step(void *state, struct core_step *s)
{
	size_t taken = s->in_len, given = s->out_len;
	size_t left = LZ4F_decompress(state, s->out, &given, s->in, &taken, NULL);

	s->fault = LZ4F_isError(left) ? LZ4F_getErrorName(left) : NULL;
	if (s->fault)
		return;
	core_step_done(s, taken, given);
	s->end = left == 0;
}

static void lz4_finish(void *state)
{
	LZ4F_freeDecompressionContext(state);
}
#define LZ4_ROW NULL, lz4_begin, lz4_step, lz4_finish
#else
#define LZ4_ROW "liblz4", NULL, NULL, NULL
#endif

#ifdef HAVE_LIBLZMA
#include <lzma.h>

static void *xz_begin(void)
{
	static const lzma_stream fresh = LZMA_STREAM_INIT;
	lzma_stream *s = malloc(sizeof(*s));

	if (!s)
		return NULL;
	*s = fresh;
	if (lzma_stream_decoder(s, CORE_PACKED_MEMORY, LZMA_CONCATENATED) == LZMA_OK)
		return s;
	free(s);
	return NULL;
}

static const char *xz_fault(lzma_ret ret)
{
	switch (ret) {
	case LZMA_OK:
	case LZMA_STREAM_END:
	case LZMA_BUF_ERROR:
		return NULL;
	case LZMA_MEMLIMIT_ERROR:
		return "it wants more memory than it is given";
	case LZMA_MEM_ERROR:
		return "out of memory";
	case LZMA_FORMAT_ERROR:
		return "what follows is no xz stream";
	default:
		return "the data is corrupt";
	}
}

static void xz_step(void *state, struct core_step *s)
{
	lzma_stream *stream = state;

	stream->next_in = s->in;
	stream->avail_in = s->in_len;
	stream->next_out = s->out;
	stream->avail_out = s->out_len;
	/* Streams may follow each other: that there is none more, it has to be told. */
	lzma_ret ret = lzma_code(stream, s->last ? LZMA_FINISH : LZMA_RUN);
	core_step_done(s, s->in_len - stream->avail_in, s->out_len - stream->avail_out);
	s->end = ret == LZMA_STREAM_END;
	s->fault = xz_fault(ret);
}

static void xz_finish(void *state)
{
	lzma_end(state);
	free(state);
}
#define XZ_ROW NULL, xz_begin, xz_step, xz_finish
#else
#define XZ_ROW "liblzma", NULL, NULL, NULL
#endif

#ifdef HAVE_ZLIB
#include <zlib.h>

struct gzip {
	z_stream stream;
	bool ended; /* and what follows, if anything does, is another member */
};

static void *gzip_begin(void)
{
	struct gzip *g = calloc(1, sizeof(*g));

	if (g && inflateInit2(&g->stream, 16 + MAX_WBITS) != Z_OK) {
		free(g);
		return NULL;
	}
	return g;
}

static void gzip_step(void *state, struct core_step *s)
{
	struct gzip *g = state;
	z_stream *stream = &g->stream;

	if (g->ended && s->in_len)
		inflateReset(stream);
	stream->next_in = (Bytef *)(uintptr_t)s->in;
	stream->avail_in = (uInt)s->in_len;
	stream->next_out = s->out;
	stream->avail_out = (uInt)s->out_len;
	int ret = inflate(stream, Z_NO_FLUSH);
	core_step_done(s, s->in_len - stream->avail_in, s->out_len - stream->avail_out);
	g->ended = s->end = ret == Z_STREAM_END;
	if (ret != Z_OK && ret != Z_STREAM_END && ret != Z_BUF_ERROR)
		s->fault = stream->msg ? stream->msg : "the data is corrupt";
}

static void gzip_finish(void *state)
{
	struct gzip *g = state;

	inflateEnd(&g->stream);
	free(g);
}
#define GZIP_ROW NULL, gzip_begin, gzip_step, gzip_finish
#else
#define GZIP_ROW "zlib", NULL, NULL, NULL
#endif

const struct core_packing core_packings[] = {
	{ "zstd", { 0x28, 0xb5, 0x2f, 0xfd }, 4, ZSTD_ROW },
	{ "lz4", { 0x04, 0x22, 0x4d, 0x18 }, 4, LZ4_ROW },
	{ "xz", { 0xfd, '7', 'z', 'X', 'Z', 0 }, 6, XZ_ROW },
	{ "gzip", { 0x1f, 0x8b, 8 }, 3, GZIP_ROW },
	{ "apport",
	  { 'P', 'r', 'o', 'b', 'l', 'e' },
	  6,
	  NULL,
	  core_apport_begin,
	  core_apport_step,
	  core_apport_finish },
	{ NULL, { 0 }, 0, NULL, NULL, NULL, NULL },
};
