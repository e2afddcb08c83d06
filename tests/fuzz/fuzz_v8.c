/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer against the reader of V8's frames.  The input is the inferior's memory: its first bytes
 * choose the version and what sort of frame is looked at, the rest lies at one address, so that
 * what points into it may lead anywhere in it.  The tables are read as such, too.
 */
#include <stdlib.h>
#include <string.h>

#include "qxfer/v8/frames.h"
#include "qxfer/v8/translation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define BASE 0x10000ull

struct input {
	const uint8_t *data;
	size_t len;
};

static size_t read_input(void *ctx, uint64_t addr, void *buf, size_t len)
{
	const struct input *in = ctx;
	if (addr < BASE || addr - BASE >= in->len)
		return 0;
	size_t n = in->len - (size_t)(addr - BASE);
	n = n < len ? n : len;
	memcpy(buf, in->data + (addr - BASE), n);
	return n;
}

static const struct mem_ops ops = { .read = read_input };

static void no_sizes(void *arg)
{
	(void)arg;
}

static void try_frames(struct space *s, const struct input *in, const struct v8_layout *layout,
		       uint8_t how)
{
	struct v8_bytecode_sizes sizes = { .n = 200 };
	struct arena arena = { 0 };
	struct v8_reader r = { .space = s,
			       .scripts = { .heap = { s->mem, layout }, .arena = &arena },
			       .sizes = &sizes,
			       .find_sizes = no_sizes,
			       .limit = 100 };
	struct v8_site site = { .pc = BASE + 200,
				.fp = BASE + 64,
				.start = BASE + 128,
				.exact = how & 1,
				.built = true,
				.builtin = how & 2 ? "InterpreterEntryTrampoline" : "ArrayMap" };

	memset(sizes.size, 2, sizeof(sizes.size));
	v8_read_builtin(&r, &site);
	v8_read_code(&r, &site);
	v8_read_optimized(&r, &site, BASE + 1 + (how & 0xf8u), how & 4 ? V8_MAGLEV : V8_TURBOFAN);
	if (r.n > r.limit || in->len > 1u << 24)
		abort();
	v8_reader_deinit(&r);
	arena_deinit(&arena);
}

static void try_tables(const struct input *in, uint8_t how)
{
	struct v8_virtual_frame frames[TRANSLATION_FRAMES_MAX];
	const struct v8_bytes all = { in->data, in->len };
	const struct safepoint_shape shape = { .count_at = how & 4, .header = 8 + (how & 8u) };
	struct v8_bytecode_sizes sizes = { .n = 0 };
	int64_t at;

	(void)position_find(all, how, &at);
	(void)safepoint_find(all, &shape, how);
	if (translation_read(all, how & 15, how >> 4 & 3, frames) > TRANSLATION_FRAMES_MAX)
		abort();
	(void)bytecode_sizes_parse(in->data, in->len, &sizes);
	(void)baseline_offset(all, all, &sizes, how);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input in = { data + 2, len - 2 };
	struct v8_layout layout;
	struct maps maps = { NULL, 0 };
	struct mem mem;
	struct space s = { .mem = &mem, .maps = &maps };

	if (len < 2 || !v8_layout_row(data[0] & 3, &layout))
		return 0;
	struct err *err = mem_init(&mem, &ops, &in, 8);
	if (err)
		abort();
	try_frames(&s, &in, &layout, data[1]);
	try_tables(&in, data[1]);
	mem_deinit(&mem);
	return 0;
}
