/* SPDX-License-Identifier: MIT */
#include "qxfer/jit/v8.h"

#include <stdlib.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define BLOB_MIN      (256u << 10)
#define BLOB_MAX      (16u << 20)
#define DATA_MAX      (4u << 20)
#define GLOBALS_MAX   (64u << 20) /* bytes of writable data that are searched */
#define CHUNK	      (64u << 10)
#define BIG_CHUNK     (1ull << 20)
#define GLOBALS_WORDS 7u

static uint64_t u64_at(const uint8_t *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}

static uint32_t u32_at(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}

void v8_blob_deinit(struct v8_blob *b)
{
	free(b->builtin);
	free(b->names);
	*b = (struct v8_blob){ 0 };
}

/* ---- the table of the builtins ---- */

/*
 * Entries {offset, length, ..} of builtins in ascending order (src/snapshot/embedded/embedded-data.h,
 * EmbeddedData::LayoutDescription); how far into the data they begin and how long each is has
 * changed with versions: the way that yields most is the right one.
 */
static size_t count_entries(const uint8_t *data, size_t size, size_t header, size_t stride,
			    uint64_t code_size)
{
	uint64_t end = 0;
	size_t n = 0;
	for (size_t at = header; at + 8 <= size && n < V8_BUILTINS_MAX; at += stride, n++) {
		uint32_t start = u32_at(data + at), len = u32_at(data + at + 4);
		if (start < end || !len || len > code_size || start > code_size - len)
			break;
		end = (uint64_t)start + len;
	}
	return n;
}

static struct err *take_entries(const uint8_t *data, size_t size, struct v8_blob *b)
{
	static const uint8_t headers[] = { 16, 24, 32, 40 },
			     strides[] = { 8, 12, 16, 20, 24, 28, 32 };
	size_t header = 0, stride = 0;

	b->n = 0;
	for (size_t i = 0; i < ARRAY_SIZE(headers) * ARRAY_SIZE(strides); i++) {
		size_t h = headers[i / ARRAY_SIZE(strides)], w = strides[i % ARRAY_SIZE(strides)];
		size_t n = count_entries(data, size, h, w, b->code_size);
		if (n > b->n) {
			b->n = n;
			header = h;
			stride = w;
		}
	}
	if (b->n < V8_BUILTINS_MIN) {
		b->n = 0;
		return NULL;
	}
	b->builtin = calloc(b->n, sizeof(*b->builtin));
	if (!b->builtin)
		return &err_nomem;
	for (size_t i = 0; i < b->n; i++) {
		const uint8_t *entry = data + header + i * stride;
		b->builtin[i].start = u32_at(entry);
		b->builtin[i].len = u32_at(entry + 4);
	}
	return NULL;
}

static struct err *read_entries(const struct space *s, struct v8_blob *b)
{
	uint8_t *data = malloc(b->data_size);
	if (!data)
		return &err_nomem;
	size_t got = mem_read_some(s->mem, b->data, data, b->data_size);
	struct err *err = take_entries(data, got, b);
	free(data);
	return err;
}

/* ---- V8's globals ---- */

struct search {
	const struct space *s;
	uint64_t lo, hi;
	const struct gaps *gaps;
	struct v8_blob *blob;
};

static bool is_blob_code(const struct search *w, uint64_t code, uint64_t size)
{
	for (size_t i = 0; i < w->gaps->n; i++) {
		const struct gap *g = &w->gaps->gap[i];
		/* The blob may begin and end with padding, which is no part of the gap. */
		if (g->end - g->start >= BLOB_MIN && code < g->end && code + MEM_PAGE >= g->start &&
		    size <= g->end - code + MEM_PAGE)
			return true;
	}
	return false;
}

/*
 * Isolate's current_embedded_blob_code_ and its neighbours (src/execution/isolate.cc), as the linker
 * laid them out: the size of the data, the data, the size of the code, the code; or the other way round.
 */
static struct err *try_globals(const struct search *w, const uint8_t word[GLOBALS_WORDS * 8])
{
	static const struct {
		uint8_t code, code_size, data, data_size;
	} orders[] = { { 3, 2, 1, 0 }, { 3, 4, 5, 6 } };
	struct err *err = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(orders) && !err && !w->blob->n; i++) {
		struct v8_blob b = {
			.code = u64_at(word + orders[i].code * (size_t)8),
			.code_size = u32_at(word + orders[i].code_size * (size_t)8),
			.data = u64_at(word + orders[i].data * (size_t)8),
			.data_size = u32_at(word + orders[i].data_size * (size_t)8),
		};
		if (b.code_size < BLOB_MIN || b.code_size > BLOB_MAX || b.data < w->lo ||
		    b.data >= w->hi || b.data_size < 4096 || b.data_size > DATA_MAX ||
		    !is_blob_code(w, b.code, b.code_size))
			continue;
		err = read_entries(w->s, &b);
		if (!err && b.n)
			*w->blob = b;
	}
	return err;
}

static struct err *search_bytes(const struct search *w, const uint8_t *bytes, size_t len)
{
	struct err *err = NULL;
	for (size_t at = 0; at + GLOBALS_WORDS * 8ull <= len && !err && !w->blob->n; at += 8) {
		uint64_t code = u64_at(bytes + at + 24);
		if (code >= w->lo && code < w->hi && code % 16 == 0)
			err = try_globals(w, bytes + at);
	}
	return err;
}

/* Of every 64 KB some words are looked at twice, so that nothing lies across. */
static struct err *search_map(const struct search *w, const struct map *m, uint64_t *budget)
{
	uint8_t *bytes = malloc(CHUNK);
	struct err *err = bytes ? NULL : &err_nomem;

	for (uint64_t at = m->start; at < m->end && !err && !w->blob->n && *budget >= CHUNK;
	     at += CHUNK - 64) {
		size_t want = m->end - at < CHUNK ? (size_t)(m->end - at) : CHUNK;
		size_t got = mem_read_some(w->s->mem, at, bytes, want);
		*budget -= CHUNK;
		err = search_bytes(w, bytes, got);
		if (want < CHUNK)
			break;
	}
	free(bytes);
	return err;
}

/* ---- names ---- */

#define FIRST		 "DeoptimizationEntry_Eager"
#define BUILTIN_NAME_MAX 160u
#define NAMES_MAX	 (1u << 20)

/* A name that no other text in V8 is, and the number of that builtin. */
struct landmark {
	const char *name;
	size_t number;
};

static bool is_part(const struct search *w, const struct map *m, unsigned int prot)
{
	return m->start >= w->lo && m->end <= w->hi && (m->prot & prot) == prot;
}

/* Where @len bytes are in a mapping; 0: nowhere. */
static uint64_t find_bytes(const struct search *w, const struct map *m, const void *what,
			   size_t len, uint64_t from)
{
	uint8_t *bytes = malloc(BIG_CHUNK);
	uint64_t found = 0;

	for (uint64_t at = from > m->start ? from : m->start; bytes && at < m->end && !found;) {
		size_t want = m->end - at < BIG_CHUNK ? (size_t)(m->end - at) : BIG_CHUNK;
		size_t got = mem_read_some(w->s->mem, at, bytes, want);
		const uint8_t *hit = got >= len ? memmem(bytes, got, what, len) : NULL;
		if (hit)
			found = at + (uint64_t)(hit - bytes);
		if (got < want || got < BIG_CHUNK)
			break;
		at += got - len;
	}
	free(bytes);
	return found;
}

static bool name_at(const struct search *w, uint64_t addr, char name[BUILTIN_NAME_MAX])
{
	size_t got = addr >= w->lo && addr < w->hi
			     ? mem_read_some(w->s->mem, addr, name, BUILTIN_NAME_MAX)
			     : 0;
	size_t len = strnlen(name, got);
	if (!len || len == got)
		return false;
	for (size_t i = 0; i < len; i++)
		if (name[i] < '!' || name[i] > '~')
			return false;
	return true;
}

/* Every name, from the first entry of builtin_metadata (src/builtins/builtins.cc) on. */
static void take_names(const struct search *w, uint64_t table, size_t stride)
{
	struct v8_blob *b = w->blob;
	char name[BUILTIN_NAME_MAX];
	size_t used = 0;
	uint64_t addr;

	b->names = malloc(NAMES_MAX);
	for (size_t i = 0; b->names && i < b->n; i++) {
		if (mem_read_some(w->s->mem, table + i * stride, &addr, 8) != 8 ||
		    !name_at(w, addr, name))
			break;
		size_t len = strlen(name) + 1;
		if (len > NAMES_MAX - used)
			break;
		memcpy(b->names + used, name, len);
		b->builtin[i].name = b->names + used;
		used += len;
	}
}

/* Whether @at is the pointer to that name in a table whose entries are so far apart. */
static bool try_table(const struct search *w, const struct landmark *mark, uint64_t at)
{
	char name[BUILTIN_NAME_MAX];
	uint64_t addr;

	for (size_t stride = 8; stride <= 40; stride += 8) {
		uint64_t first = at - mark->number * stride;
		if (mem_read_some(w->s->mem, first, &addr, 8) == 8 && name_at(w, addr, name) &&
		    strcmp(name, FIRST) == 0) {
			take_names(w, first, stride);
			return true;
		}
	}
	return false;
}

static uint64_t find_name(const struct search *w, const char *name)
{
	char text[BUILTIN_NAME_MAX] = "";
	size_t len = strlen(name) + 2; /* with the NUL before it */
	uint64_t at = 0;

	memcpy(text + 1, name, len - 1);
	for (size_t i = 0; i < w->s->maps->n && !at; i++)
		if (is_part(w, &w->s->maps->map[i], MAP_R))
			at = find_bytes(w, &w->s->maps->map[i], text, len, 0);
	return at ? at + 1 : 0;
}

/*
 * After relocation .data.rel.ro is read-only, and not executable; but a program that is not relocated
 * may have all that is constant in one mapping with its code.
 */
static bool find_names_in(const struct search *w, const struct landmark *mark, uint64_t text,
			  unsigned int executable)
{
	bool found = false;

	for (size_t i = 0; i < w->s->maps->n && !found; i++) {
		const struct map *m = &w->s->maps->map[i];
		if (!is_part(w, m, MAP_R) || (m->prot & MAP_X) != executable)
			continue;
		uint64_t at = find_bytes(w, m, &text, sizeof(text), 0);
		while (at && !found) {
			found = try_table(w, mark, at);
			at = found ? 0 : find_bytes(w, m, &text, sizeof(text), at + 8);
		}
	}
	return found;
}

static void find_names(const struct search *w)
{
	static const struct landmark marks[] = {
		{ "RecordWriteSaveFP", 2 },		     /* V8 11 and later */
		{ "RecordWriteEmitRememberedSetSaveFP", 3 }, /* V8 10 */
	};
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		uint64_t text = find_name(w, marks[i].name);
		if (text && (find_names_in(w, &marks[i], text, 0) ||
			     find_names_in(w, &marks[i], text, MAP_X)))
			return;
	}
}

struct err *v8_blob_find(const struct space *s, uint64_t lo, uint64_t hi, const struct gaps *gaps,
			 struct v8_blob *ret)
{
	struct search w = { .s = s, .lo = lo, .hi = hi, .gaps = gaps, .blob = ret };
	uint64_t budget = GLOBALS_MAX;
	bool any = false;
	struct err *err = NULL;

	*ret = (struct v8_blob){ 0 };
	for (size_t i = 0; i < gaps->n; i++)
		any = any || gaps->gap[i].end - gaps->gap[i].start >= BLOB_MIN;
	for (size_t i = 0; any && i < s->maps->n && !err && !ret->n; i++) {
		const struct map *m = &s->maps->map[i];
		if (m->start >= lo && m->start < hi && m->prot & MAP_W)
			err = search_map(&w, m, &budget);
	}
	if (!err && ret->n)
		find_names(&w);
	return err;
}

/* ---- what is compiled ---- */

#define TAG	     1u
#define CODE_WORDS   14u
#define LOW_ADDRESS  0x10000u
#define HIGH_ADDRESS (1ull << 47)

/*
 * The length follows the code's address, and the length of what lies behind the code follows that: from V8 12
 * on, where the place has changed, both together are the @body that is told before the code.
 */
static uint32_t length_after(const uint8_t *field, uint32_t body)
{
	return body && u32_at(field + 12) + u32_at(field + 16) == body ? u32_at(field + 12)
								       : u32_at(field + 16);
}

static uint32_t code_length(const uint8_t *object, uint64_t addr, uint32_t body, uint64_t room)
{
	for (size_t k = 2; k + 2 < CODE_WORDS; k++) {
		if (u64_at(object + k * 8) != addr)
			continue;
		uint32_t len = length_after(object + k * 8, body);
		return len >= 4 && len <= V8_CODE_MAX && len <= room ? len : 0;
	}
	return 0;
}

/*
 * V8 10: the code is a part of its object, which begins with a reference to its map, and that with one
 * to the map of maps, which is its own.
 */
#define INLINE_HEADER 128u
#define INLINE_SIZE   40u
#define MAP_TYPE      12u
#define INLINE_TYPE   240u /* CODE_TYPE of V8 10.2 */

static uint32_t inline_code_at(const struct space *s, const uint8_t *code, uint64_t addr,
			       uint64_t len, uint64_t *object)
{
	uint64_t map = u64_at(code - INLINE_HEADER), self;
	uint8_t fields[MAP_TYPE + 2];
	uint32_t size = u32_at(code - INLINE_HEADER + INLINE_SIZE);

	if ((map & 3) != TAG || map < LOW_ADDRESS || map >= HIGH_ADDRESS || size < 4 ||
	    size > V8_CODE_MAX || size > len ||
	    mem_read_some(s->mem, map - TAG, fields, sizeof(fields)) != sizeof(fields) ||
	    (fields[MAP_TYPE] | fields[MAP_TYPE + 1] << 8) != INLINE_TYPE)
		return 0;
	uint64_t meta = u64_at(fields);
	if ((meta & 3) != TAG ||
	    mem_read_some(s->mem, meta - TAG, &self, sizeof(self)) != sizeof(self) || self != meta)
		return 0;
	*object = addr - INLINE_HEADER + TAG;
	return size;
}

uint32_t v8_code_at(const struct space *s, const uint8_t *code, uint64_t addr, uint64_t len,
		    uint64_t *object)
{
	/* How far before the code its object's address is: V8 11, V8 13. */
	static const uint8_t distances[] = { 8, 0x18 };
	uint8_t bytes[CODE_WORDS * 8];

	for (size_t i = 0; i < ARRAY_SIZE(distances); i++) {
		uint64_t tagged = u64_at(code - distances[i]);
		if ((tagged & 3) != TAG || tagged < LOW_ADDRESS || tagged >= HIGH_ADDRESS ||
		    mem_read_some(s->mem, tagged - TAG, bytes, sizeof(bytes)) != sizeof(bytes))
			continue;
		uint32_t n = code_length(bytes, addr, distances[i] > 8 ? u32_at(code - 8) : 0, len);
		if (n) {
			*object = tagged;
			return n;
		}
	}
	return inline_code_at(s, code, addr, len, object);
}
