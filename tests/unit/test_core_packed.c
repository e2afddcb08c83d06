/* SPDX-License-Identifier: MIT */
/* Compressed cores.  What is not built in is not tested. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stub/target/core.h"
#include "stub/target/core_packed.h"
#include "tests/fake/tiny_core.h"

#ifdef HAVE_LIBZSTD
#include <zstd.h>
#endif
#ifdef HAVE_LIBLZ4
#include <lz4frame.h>
#endif
#ifdef HAVE_LIBLZMA
#include <lzma.h>
#endif
#ifdef HAVE_ZLIB
#include <zlib.h>
#endif

#define ROOM (4u << 20)

/* Returns how many bytes @out has; 0: this program can't. */
static size_t pack_zstd(const void *data, size_t len, uint8_t *out)
{
#ifdef HAVE_LIBZSTD
	size_t n = ZSTD_compress(out, ROOM, data, len, 1);
	cr_assert_not(ZSTD_isError(n));
	return n;
#else
	return (void)data, (void)len, (void)out, 0;
#endif
}

static size_t pack_lz4(const void *data, size_t len, uint8_t *out)
{
#ifdef HAVE_LIBLZ4
	size_t n = LZ4F_compressFrame(out, ROOM, data, len, NULL);
	cr_assert_not(LZ4F_isError(n));
	return n;
#else
	return (void)data, (void)len, (void)out, 0;
#endif
}

static size_t pack_xz(const void *data, size_t len, uint8_t *out)
{
	size_t n = 0;
#ifdef HAVE_LIBLZMA
	cr_assert_eq(lzma_easy_buffer_encode(0, LZMA_CHECK_CRC32, NULL, data, len, out, &n, ROOM),
		     LZMA_OK);
#endif
	return (void)data, (void)len, (void)out, n;
}

static size_t pack_gzip(const void *data, size_t len, uint8_t *out)
{
#ifdef HAVE_ZLIB
	z_stream s = { 0 };
	cr_assert_eq(deflateInit2(&s, 1, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
	s.next_in = (Bytef *)(uintptr_t)data;
	s.avail_in = (uInt)len;
	s.next_out = out;
	s.avail_out = ROOM;
	cr_assert_eq(deflate(&s, Z_FINISH), Z_STREAM_END);
	size_t n = s.total_out;
	deflateEnd(&s);
	return n;
#else
	return (void)data, (void)len, (void)out, 0;
#endif
}

/* As apport writes it: the header in a line of its own, the rest in lines of some length. */
static size_t put_base64(const uint8_t *p, size_t len, char *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t n = 0;

	out[n++] = ' ';
	for (size_t i = 0; i < len; i += 3) {
		uint32_t v = (uint32_t)p[i] << 16 | (i + 1 < len ? (uint32_t)p[i + 1] << 8 : 0) |
			     (i + 2 < len ? p[i + 2] : 0);
		for (unsigned int k = 0; k < 4; k++)
			out[n++] = i + k > len ? '=' : digits[v >> (18 - 6 * k) & 63];
	}
	out[n++] = '\n';
	return n;
}

static size_t pack_apport(const void *data, size_t len, uint8_t *out)
{
	static const char before[] = "ProblemType: Crash\nArchitecture: amd64\nProcMaps:\n a line\n"
				     " CoreDump: base64\nCoreDump: base64\n";
	static const char after[] = "Uname: Linux\n not base64!\n";
	uint8_t *packed = malloc(ROOM);
	size_t n = pack_gzip(data, len, packed), at = sizeof(before) - 1;

	memcpy(out, before, at);
	for (size_t i = 0; i < n; i += i ? 100 : 10)
		at += put_base64(packed + i, !i ? 10 : n - i < 100 ? n - i : 100, (char *)out + at);
	memcpy(out + at, after, sizeof(after) - 1);
	free(packed);
	return n ? at + sizeof(after) - 1 : 0;
}

static size_t (*const packers[])(const void *data, size_t len,
				 uint8_t *out) = { pack_zstd, pack_lz4, pack_xz, pack_gzip,
						   pack_apport };
#define PACKERS (sizeof(packers) / sizeof(packers[0]))

static struct err *open_packed(const uint8_t *data, size_t len, struct target **ret)
{
	char path[64];
	int fd = tiny_core_file(data, len);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	const struct core_options o = { .core = path, .quiet = true };
	struct err *err = core_open(&o, ret);
	close(fd);
	return err;
}

/* The error of a core whose first @len bytes @pack compresses, with @zeros after it. */
static struct err *open_with_zeros(size_t (*pack)(const void *, size_t, uint8_t *), size_t len,
				   size_t zeros, struct target **ret)
{
	struct tiny_core core;
	uint8_t *plain = calloc(1, sizeof(core) + zeros), *packed = malloc(ROOM);

	tiny_core_make(&core, "/nowhere");
	memcpy(plain, &core, sizeof(core));
	size_t n = pack(plain, len + zeros, packed);
	struct err *err = n ? open_packed(packed, n, ret) : err_new(ERR_UNSUPPORTED, "not built");
	free(plain);
	free(packed);
	return err;
}

static bool is_built(struct err **err)
{
	if (*err && strcmp((*err)->msg, "not built") == 0) {
		err_drop(*err);
		*err = NULL;
		return false;
	}
	return true;
}

Test(core_packed, a_compressed_core_is_what_it_was_compressed_from)
{
	for (size_t i = 0; i < PACKERS; i++) {
		struct target *t = NULL;
		uint8_t byte = 0;
		struct err *err = open_with_zeros(packers[i], sizeof(struct tiny_core), 0, &t);
		if (!is_built(&err))
			continue;
		cr_assert_null(err, "%s", err->msg);
		cr_assert(target_has_thread(t, TINY_SECOND));
		cr_assert_null(mem_read(&t->mem, TINY_HEAP_AT + 4, &byte, 1));
		cr_assert_eq(byte, 5);
		t->ops->destroy(t);
	}
}

Test(core_packed, what_unpacks_to_more_than_its_headers_say_is_refused)
{
	for (size_t i = 0; i < PACKERS; i++) {
		struct target *t = NULL;
		struct err *err =
			open_with_zeros(packers[i], sizeof(struct tiny_core), 3u << 20, &t);
		if (!is_built(&err))
			continue;
		cr_assert(err);
		cr_assert(strstr(err->msg, "more than its headers say"), "%s", err->msg);
		err_drop(err);
	}
}

Test(core_packed, what_unpacks_to_something_else_is_refused_after_its_first_bytes)
{
	static const uint8_t text[1000] = "text";
	static uint8_t packed[ROOM];
	for (size_t i = 0; i < PACKERS; i++) {
		struct target *t = NULL;
		size_t n = packers[i](text, sizeof(text), packed);
		if (!n)
			continue;
		struct err *err = open_packed(packed, n, &t);
		cr_assert(err);
		cr_assert(strstr(err->msg, "it is no ELF file"), "%s", err->msg);
		err_drop(err);
	}
}

/* Whatever is cut off, there is a core that is cut off, or a reason; and no more. */
Test(core_packed, cut_off_or_damaged_anywhere_it_is_served_in_part_or_refused)
{
	static uint8_t packed[ROOM];
	struct tiny_core core;

	tiny_core_make(&core, "/nowhere");
	for (size_t i = 0; i < PACKERS; i++) {
		size_t n = packers[i](&core, sizeof(core), packed);
		for (size_t len = 4; len < n; len += 61) {
			struct target *t = NULL;
			struct err *err = open_packed(packed, len, &t);
			if (!err)
				t->ops->destroy(t);
			err_drop(err);
			packed[len] ^= 0x55;
			err = open_packed(packed, n, &t);
			if (!err)
				t->ops->destroy(t);
			err_drop(err);
			packed[len] ^= 0x55;
		}
	}
}

Test(core_packed, each_format_says_which_library_it_lacks)
{
	for (const struct core_packing *p = core_packings; p->name; p++) {
		int fd = tiny_core_file(p->magic, p->magic_len), unpacked = -1;
		struct err *err = core_unpack(fd, true, &unpacked);
		if (p->library)
			cr_assert(err && strstr(err->msg, p->library));
		if (unpacked >= 0)
			close(unpacked);
		err_drop(err);
		close(fd);
	}
}
