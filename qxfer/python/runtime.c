/* SPDX-License-Identifier: MIT */
#include "qxfer/python/runtime.h"

#include <stdlib.h>
#include <string.h>

#include "qxfer/python/foreign.h"
#include "qxfer/python/lookup.h"
#include "stub/base/image.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define SCAN_MAX   (256ull << 20) /* bytes searched for a cookie */
#define WORDS_MAX  (64ull << 20)  /* bytes searched word by word */
#define SCAN_BLOCK 65536ull

#define VERSION_DEBUG 0x030d0000u /* from here on there are _Py_DebugOffsets */
#define INTERPS_MAX   256u
#define NEAR	      16u /* words */

struct finder {
	const struct space *s;
	struct py_runtime *ret;
	struct err *refused; /* a Python that is there but not served, or not ready */
	bool later;
};

const char *py_way_name(enum py_way way)
{
	static const struct {
		enum py_way way;
		const char *name;
	} names[] = {
		{ PY_BY_DYNSYM, "dynamic symbol _PyRuntime" },
		{ PY_BY_SYMTAB, "symbol _PyRuntime" },
		{ PY_BY_SECTION, "section .PyRuntime" },
		{ PY_BY_CODE, "code of PyInterpreterState_Head" },
		{ PY_BY_COOKIE, "cookie of _Py_DebugOffsets" },
		{ PY_BY_THREADS, "thread pointers" },
		{ PY_BY_BUILD, "build-id seen before" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].way == way)
			return names[i].name;
	return "";
}

/* ---- believing a candidate ---- */

enum verdict { BOGUS, NOT_READY, GOOD };

static bool read_ptr(struct mem *m, uint64_t addr, uint64_t *ret)
{
	struct err *err = mem_ptr(m, addr, ret);
	err_drop(err);
	return !err;
}

/* The runtime's first interpreter has a thread that says it belongs to it. */
static enum verdict judge(struct mem *m, uint64_t addr, const struct py_offsets *off)
{
	uint64_t interp, id = 0, thread, back;
	if (!read_ptr(m, addr + off->runtime.interpreters_head, &interp))
		return BOGUS;
	if (!interp)
		return NOT_READY;
	if (interp % 8 ||
	    (off->interp.id != PY_NONE && !read_ptr(m, interp + off->interp.id, &id)) ||
	    !read_ptr(m, interp + off->interp.threads_head, &thread) || (int64_t)id < 0 ||
	    (int64_t)id > INT32_MAX)
		return BOGUS;
	if (!thread)
		return NOT_READY;
	if (thread % 8 || !read_ptr(m, thread + off->tstate.interp, &back))
		return BOGUS;
	return back == interp ? GOOD : BOGUS;
}

static void refuse(struct finder *f, struct err *err)
{
	if (f->refused)
		err_drop(err);
	else
		f->refused = err;
}

/*
 * What was found by a row, without knowing the version, against sys.hexversion.  The
 * layouts to 3.10 are so alike that without that nothing is sure.
 */
static enum verdict confirm(struct mem *m, uint64_t addr, struct py_offsets *off,
			    struct py_runtime *as)
{
	const struct py_peek peek = { m, off };
	uint64_t interp;
	uint32_t version = 0;
	if (read_ptr(m, addr + off->runtime.interpreters_head, &interp))
		version = py_peek_version(&peek, interp);
	if (!version)
		return off->lasti_unit ? NOT_READY : GOOD;
	if (PY_MINOR(version) != PY_MINOR(off->version_hex))
		return BOGUS;
	as->exact = true;
	off->version_hex = version;
	/* Before 3.7.4 what _PyRuntime has behind its interpreters lay elsewhere. */
	if (version >= 0x03070000 && version < 0x03070400)
		off->runtime.gil = off->runtime.gc_collecting = PY_NONE;
	return GOOD;
}

static bool accept(struct finder *f, uint64_t addr, const struct py_offsets *row,
		   struct py_runtime *as)
{
	struct py_offsets own = *row, *off = &own;
	enum verdict v = judge(f->s->mem, addr, off);
	if (v == GOOD && !as->exact)
		v = confirm(f->s->mem, addr, off, as);
	if (v == NOT_READY) {
		f->later = true;
		refuse(f, err_new(ERR_NOT_FOUND, "Python has not started its first thread yet"));
	}
	if (v != GOOD)
		return false;
	*f->ret = *as;
	f->ret->addr = addr;
	f->ret->off = *off;
	return true;
}

/* A runtime at @addr by @row, whose version's point release is not known. */
static bool try_row(struct finder *f, uint64_t addr, const struct py_offsets *row, enum py_way way)
{
	struct py_runtime as = { .way = way, .verified = true };
	return row->version_hex < VERSION_DEBUG && accept(f, addr, row, &as);
}

/* By the row for @version_hex; 0: whichever row of a version without debug offsets fits. */
static bool try_rows(struct finder *f, uint64_t addr, uint32_t version_hex, struct py_runtime *as)
{
	for (size_t i = 0; i < py_offsets_rows; i++) {
		const struct py_offsets *row = &py_offsets_table[i];
		if (!version_hex && try_row(f, addr, row, as->way))
			return true;
		if (!version_hex || row != py_offsets_find(version_hex, PY_BUILD_GIL))
			continue;
		struct py_offsets off = *row;
		as->verified = true;
		off.version_hex = version_hex;
		if (accept(f, addr, &off, as))
			return true;
	}
	return false;
}

/*
 * A runtime at @addr: by its own offsets if it has them, else by the table.
 * @version_hex is Py_Version, 0 if unknown.
 */
static bool try_runtime(struct finder *f, uint64_t addr, uint32_t version_hex, enum py_way way)
{
	struct py_runtime as = { .way = way, .exact = true };
	struct py_offsets off;
	struct err *err = py_offsets_debug(f->s->mem, addr, &off, &as.verified);
	if (!err)
		return accept(f, addr, &off, &as);
	if (err->code == ERR_BAD_DATA) {
		refuse(f, err);
		return false;
	}
	err_drop(err);
	if (try_rows(f, addr, version_hex, &as))
		return true;
	if (version_hex && !py_offsets_find(version_hex, PY_BUILD_GIL))
		refuse(f, err_new(ERR_BAD_DATA, "Python %u.%u is not supported", version_hex >> 24,
				  version_hex >> 16 & 0xff));
	else if (version_hex)
		refuse(f, err_new(ERR_BAD_DATA,
				  "the Python %u.%u at 0x%llx is not laid out as expected",
				  version_hex >> 24, version_hex >> 16 & 0xff,
				  (unsigned long long)addr));
	return false;
}

/* ---- by images ---- */

static uint32_t read_version(struct finder *f, const struct image_symbol *sym)
{
	uint32_t v = 0;
	if (mem_read_some(f->s->mem, sym->addr, &v, sizeof(v)) != sizeof(v) || v >> 24 != 3)
		return 0;
	return v;
}

typedef bool (*find_symbol)(struct image *img, const char *name, struct image_symbol *ret);

static bool try_symbol(struct finder *f, struct image *img, find_symbol find, enum py_way way)
{
	struct image_symbol runtime, version;
	if (!find(img, "_PyRuntime", &runtime))
		return false;
	/* Py_Version came with 3.11. */
	bool known = find(img, "Py_Version", &version);
	if (try_runtime(f, runtime.addr, known ? read_version(f, &version) : 0, way))
		return true;
	refuse(f, err_new(ERR_BAD_DATA, "the Python at 0x%llx is not laid out as expected",
			  (unsigned long long)runtime.addr));
	return false;
}

static bool try_symtab(struct finder *f, struct image *img)
{
	return try_symbol(f, img, image_find_static, PY_BY_SYMTAB);
}

static bool try_section(struct finder *f, struct image *img)
{
	struct image_symbol section;
	return image_find_section(img, ".PyRuntime", &section) &&
	       try_runtime(f, section.addr, 0, PY_BY_SECTION);
}

/* The interpreters.head of every row; the function's own offset is one of them. */
static bool try_head(struct finder *f, uint64_t head)
{
	for (size_t i = 0; i < py_offsets_rows; i++) {
		const struct py_offsets *row = &py_offsets_table[i];
		uint64_t addr = head - row->runtime.interpreters_head;
		if (row->version_hex < VERSION_DEBUG ? try_row(f, addr, row, PY_BY_CODE)
						     : try_runtime(f, addr, 0, PY_BY_CODE))
			return true;
	}
	return false;
}

static bool find_any(struct image *img, const char *name, struct image_symbol *ret)
{
	return image_find_dynamic(img, name, ret) || image_find_static(img, name, ret);
}

/*
 * The static int "collecting" of 3.6, which PyGC_Collect() asks before anything else:
 *	mov D(%rip),%reg		with a prefix perhaps
 *	cmpl $0,D(%rip)
 */
static uint64_t find_collecting(struct finder *f, struct image *img)
{
	struct image_symbol fn;
	uint8_t code[40];
	int32_t disp;
	if (!find_any(img, "PyGC_Collect", &fn) ||
	    mem_read_some(f->s->mem, fn.addr, code, sizeof(code)) != sizeof(code))
		return 0;
	for (size_t i = 0; i + 7 <= sizeof(code); i++) {
		bool is_mov = code[i] == 0x8b && (code[i + 1] & 0xc7) == 0x05;
		bool is_cmp = code[i] == 0x83 && code[i + 1] == 0x3d;
		memcpy(&disp, code + i + 2, sizeof(disp));
		uint64_t at = fn.addr + i + (is_cmp ? 7 : 6) + (uint64_t)(int64_t)disp;
		const struct map *m = is_mov || is_cmp ? maps_find(f->s->maps, at) : NULL;
		if (m && m->prot & MAP_W && at % 4 == 0)
			return at;
	}
	return 0;
}

/* What 3.6 keeps outside of any structure. */
static void find_variables(struct finder *f, struct image *img)
{
	struct image_symbol current;
	if (f->ret->off.runtime.gil != PY_NONE || f->ret->off.interp.gil != PY_NONE)
		return;
	if (find_any(img, "_PyThreadState_Current", &current))
		f->ret->current = current.addr;
	f->ret->gc_collecting = find_collecting(f, img);
}

/*
 * PyInterpreterState_Head() is "return runtime->interpreters.head":
 *	mov D(%rip),%rax; ret				D is the head itself
 *	mov D(%rip),%rax; mov N(%rax),%rax; ret		D holds &_PyRuntime (a GOT entry)
 * after an endbr64 perhaps.
 */
static bool try_code(struct finder *f, struct image *img)
{
	static const uint8_t endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	static const uint8_t load[] = { 0x48, 0x8b, 0x05 };
	struct image_symbol fn;
	uint8_t code[24];
	int32_t disp;
	uint64_t runtime;

	if (!find_any(img, "PyInterpreterState_Head", &fn))
		return false;
	if (mem_read_some(f->s->mem, fn.addr, code, sizeof(code)) != sizeof(code))
		return false;
	size_t i = memcmp(code, endbr64, sizeof(endbr64)) == 0 ? sizeof(endbr64) : 0;
	if (memcmp(code + i, load, sizeof(load)) != 0)
		return false;
	memcpy(&disp, code + i + 3, sizeof(disp));
	i += 7;
	uint64_t at = fn.addr + i + (uint64_t)(int64_t)disp;
	if (code[i] == 0xc3) {
		bool found = try_head(f, at);
		if (found)
			find_variables(f, img);
		return found;
	}
	return code[i] == 0x48 && code[i + 1] == 0x8b &&
	       (code[i + 2] == 0x40 || code[i + 2] == 0x80) && read_ptr(f->s->mem, at, &runtime) &&
	       try_runtime(f, runtime, 0, PY_BY_CODE);
}

/* Before 3.7 there was no _PyRuntime, but this to know a Python by. */
static bool try_dynsym(struct finder *f, struct image *img)
{
	struct image_symbol current;
	if (try_symbol(f, img, image_find_dynamic, PY_BY_DYNSYM))
		return true;
	const char *foreign = py_foreign_find(img);
	if (foreign)
		refuse(f, err_new(ERR_BAD_DATA, "%s", foreign));
	return !f->refused && image_find_dynamic(img, "_PyThreadState_Current", &current) &&
	       try_code(f, img);
}

static bool may_be_python(const struct space *s, const struct map *m)
{
	return m == maps_program(s->maps) || strstr(m->path, "python");
}

static bool starts_image(const struct map *m)
{
	return m->offset == 0 && m->inode && m->prot & MAP_R && !(m->prot & MAP_SHARED_MEM);
}

static bool try_image(struct finder *f, const struct map *m,
		      bool (*try)(struct finder *f, struct image *img), bool with_file)
{
	_cleanup_image_ struct image img = { .fd = -1 };
	struct err *err = image_open(f->s->mem, m->start, &img);
	if (!err && with_file) {
		int fd = f->s->open_map ? f->s->open_map(f->s->ctx, m) : -1;
		if (fd < 0)
			return false;
		err = image_add_file(&img, fd);
	}
	if (err) { /* a data file, or one that was replaced: not the one we look for */
		err_drop(err);
		return false;
	}
	return try(f, &img);
}

/* The program and what is called python first, then the rest. */
static bool try_images(struct finder *f, bool (*try)(struct finder *f, struct image *img),
		       bool with_file, bool everywhere)
{
	const struct maps *maps = f->s->maps;
	for (int likely = 1; likely >= (everywhere ? 0 : 1); likely--)
		for (size_t i = 0; i < maps->n; i++) {
			const struct map *m = &maps->map[i];
			if (starts_image(m) && may_be_python(f->s, m) == likely &&
			    try_image(f, m, try, with_file))
				return true;
		}
	return false;
}

static bool by_dynsym(struct finder *f)
{
	return try_images(f, try_dynsym, false, true);
}

static bool by_symtab(struct finder *f)
{
	return try_images(f, try_symtab, true, false);
}

static bool by_section(struct finder *f)
{
	return try_images(f, try_section, true, true);
}

static bool by_code(struct finder *f)
{
	return try_images(f, try_code, false, true) || try_images(f, try_code, true, false);
}

/* ---- by content ---- */

/* The segments a linker made: those of files, and the .bss that follows one. */
static bool is_data(const struct maps *maps, size_t i)
{
	const struct map *m = &maps->map[i];
	if (!(m->prot & MAP_R) || !(m->prot & MAP_W) || m->prot & MAP_SHARED_MEM)
		return false;
	if (m->inode)
		return true;
	return !*m->path && i && maps->map[i - 1].inode && maps->map[i - 1].end == m->start;
}

typedef bool (*try_words)(struct finder *f, uint64_t addr, const uint64_t *word, size_t n);

/* Calls @try for the words of all data segments, in blocks that overlap by one word. */
static bool scan(struct finder *f, uint64_t budget, try_words try)
{
	uint64_t *words = malloc(SCAN_BLOCK);
	bool found = false;
	for (size_t i = 0; words && i < f->s->maps->n && !found; i++) {
		const struct map *m = &f->s->maps->map[i];
		if (!is_data(f->s->maps, i))
			continue;
		for (uint64_t at = m->start; at + 16 <= m->end && budget && !found;) {
			uint64_t len = m->end - at < SCAN_BLOCK ? m->end - at : SCAN_BLOCK;
			size_t got = mem_read_some(f->s->mem, at, words, len);
			found = try(f, at, words, got / 8);
			if (len < SCAN_BLOCK ||
			    got < len) /* the end, or a hole: the rest is not data */
				break;
			at += len - 8;
			budget -= budget < len ? budget : len;
		}
	}
	free(words);
	return found;
}

static bool try_cookies(struct finder *f, uint64_t addr, const uint64_t *word, size_t n)
{
	uint64_t cookie;
	memcpy(&cookie, PY_COOKIE, sizeof(cookie));
	for (size_t i = 0; i < n; i++)
		if (word[i] == cookie && try_runtime(f, addr + 8 * i, 0, PY_BY_COOKIE))
			return true;
	return false;
}

static bool is_thread_pointer(const struct space *s, uint64_t value)
{
	for (size_t i = 0; i < s->nthreads; i++)
		if (value && s->threads[i].tp >= value && s->threads[i].tp - value <= s->tp_gap)
			return true;
	return false;
}

static bool in_writable(const struct space *s, uint64_t addr)
{
	const struct map *m = addr % 8 ? NULL : maps_find(s->maps, addr);
	return m && m->prot & MAP_W;
}

/* An interpreter one of whose first threads is alive, by this row. */
static bool has_live_thread(const struct space *s, uint64_t interp, const struct py_offsets *off)
{
	uint64_t thread, back, ident;
	if (!read_ptr(s->mem, interp + off->interp.threads_head, &thread))
		return false;
	for (int i = 0; i < 16 && in_writable(s, thread); i++) {
		if (!read_ptr(s->mem, thread + off->tstate.interp, &back) || back != interp ||
		    !read_ptr(s->mem, thread + off->tstate.thread_id, &ident))
			return false;
		if (is_thread_pointer(s, ident))
			return true;
		if (!read_ptr(s->mem, thread + off->tstate.next, &thread))
			return false;
	}
	return false;
}

/* How many interpreters a list has that begins with @interp and has a live thread. */
static unsigned int count_interps(const struct space *s, uint64_t interp,
				  const struct py_offsets *off)
{
	bool alive = false;
	unsigned int n = 0;
	while (n < INTERPS_MAX && in_writable(s, interp)) {
		alive |= has_live_thread(s, interp, off);
		n++;
		if (!read_ptr(s->mem, interp + off->interp.next, &interp))
			return 0;
	}
	return alive && !interp ? n : 0;
}

/*
 * 3.6 has the list's head (interp_head) and a pointer to the main interpreter, which ends
 * it (autoInterpreterState), among the same file's variables; other modules may have one
 * such pointer.  Of word @i and its neighbours the one with the longest list.
 */
static bool find_head(const struct space *s, const uint64_t *word, size_t n, size_t i,
		      const struct py_offsets *off, size_t *ret)
{
	unsigned int most = 0, hits = 0;
	for (size_t k = i > NEAR ? i - NEAR : 0; k < n && k <= i + NEAR; k++) {
		unsigned int count = count_interps(s, word[k], off);
		hits += count > 0;
		if (count <= most)
			continue;
		*ret = k;
		most = count;
	}
	return hits >= 2;
}

/*
 * From 3.7 on interpreters.head and interpreters.main are neighbours; mostly they are
 * equal.
 */
static bool try_interps(struct finder *f, uint64_t addr, const uint64_t *word, size_t n)
{
	const struct space *s = f->s;
	for (size_t i = 0; i + 1 < n; i++) {
		if (!word[i] || !in_writable(s, word[i]))
			continue;
		for (size_t r = 0; r < py_offsets_rows; r++) {
			const struct py_offsets *row = &py_offsets_table[r];
			uint32_t head = row->runtime.interpreters_head;
			uint64_t main = head ? word[i + 1] : word[i];
			if (row->version_hex >= VERSION_DEBUG || !main || !in_writable(s, main) ||
			    !has_live_thread(s, main, row))
				continue;
			size_t at = i;
			if (!head && !find_head(s, word, n, i, row, &at))
				continue;
			if (try_row(f, addr + 8 * at - head, row, PY_BY_THREADS))
				return true;
		}
	}
	return false;
}

static bool by_cookie(struct finder *f)
{
	return scan(f, SCAN_MAX, try_cookies);
}

static bool by_threads(struct finder *f)
{
	return scan(f, WORDS_MAX, try_interps);
}

struct err *py_runtime_find(const struct space *s, unsigned int ways, struct py_runtime *ret,
			    bool *later)
{
	static const struct {
		enum py_way way;
		bool (*find)(struct finder *f);
	} order[] = {
		{ PY_BY_DYNSYM, by_dynsym },   { PY_BY_SYMTAB, by_symtab },
		{ PY_BY_SECTION, by_section }, { PY_BY_CODE, by_code },
		{ PY_BY_COOKIE, by_cookie },   { PY_BY_THREADS, by_threads },
	};
	struct finder f = { .s = s, .ret = ret };
	bool found = false;

	if (s->mem->addr_size != 8) {
		*later = false;
		return err_new(ERR_NOT_FOUND, "Python of 32 bits is not read");
	}
	for (size_t i = 0; i < ARRAY_SIZE(order) && !found && !f.refused; i++)
		if (ways & order[i].way)
			found = order[i].find(&f);
	*later = f.later;
	if (found) {
		err_drop(f.refused);
		return NULL;
	}
	return f.refused ? f.refused : err_new(ERR_NOT_FOUND, "no Python in this process");
}

bool py_runtime_try(const struct space *s, uint64_t addr, uint32_t version_hex,
		    struct py_runtime *ret)
{
	struct finder f = { .s = s, .ret = ret };
	bool found = try_runtime(&f, addr, version_hex, PY_BY_BUILD);
	err_drop(f.refused);
	return found;
}

bool py_runtime_alive(const struct space *s, const struct py_runtime *rt)
{
	return judge(s->mem, rt->addr, &rt->off) == GOOD;
}
