/* SPDX-License-Identifier: MIT */
/*
 * The shared libraries, from the dynamic linker's own list (GDB manual, "Library
 * List Format for SVR4 Targets"; the structures are <link.h>'s).
 *
 * AT_PHDR leads to the program headers, PT_DYNAMIC of them to DT_DEBUG, that to
 * struct r_debug, and it to a chain of struct link_map for each namespace.  All
 * of it lies in the inferior's memory, where anything may be written: chains
 * are bounded, each link must point back, and what was read before one that is
 * broken is still an answer, with the reason in a comment at its end.
 */
#include <elf.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "qxfer/documents.h"
#include "qxfer/libraries.h"

#define PHDRS_MAX      4096u
#define DYNAMIC_MAX    4096u
#define LIBRARIES_MAX  65536u
#define DOCUMENT_MAX   (16u << 20) /* long names can be shared by many entries */
#define NAMESPACES_MAX 64u	   /* glibc has 16 */

struct r_debug_part {
	uint64_t version, map, next; /* next: of version 2 on; the next namespace's */
};

struct link_map_part {
	uint64_t addr, name, ld, next, prev;
};

/* Where a walk of the chains stands. */
struct walk {
	struct mem *mem;
	struct buf *out;
	uint64_t lmid; /* the namespace's r_debug: how gdb tells namespaces apart */
	unsigned int seen;
	unsigned int put; /* libraries of the target in the document */
	bool broken;
};

/* The list ends here, and this is why: harmless to a reader, useful to a person. */
static void PRINTF(2, 3) break_off(struct walk *w, const char *fmt, ...)
{
	char why[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	buf_printf(w->out, "<!-- truncated: %s -->", why);
	w->broken = true;
}

static struct err *read_words(struct mem *m, uint64_t addr, uint64_t *ret, size_t n)
{
	struct obj o;
	struct err *err = obj_load(m, addr, n * m->addr_size, &o);
	for (size_t i = 0; !err && i < n; i++)
		ret[i] = obj_uint(&o, (uint32_t)i * m->addr_size, m->addr_size);
	return err;
}

static struct err *read_r_debug(struct mem *m, uint64_t addr, struct r_debug_part *ret)
{
	uint64_t word[2], next = 0;
	struct err *err = read_words(m, addr, word, 2);
	if (err)
		return err;
	uint64_t version = word[0] & 0xffffffff; /* an int, with padding after it */
	/* Version 1 ends before: what follows it is not a pointer. */
	if (version >= 2)
		err = mem_ptr(m, addr + 5ull * m->addr_size, &next);
	if (!err)
		*ret = (struct r_debug_part){ version, word[1], next };
	return err;
}

static struct err *read_link_map(struct mem *m, uint64_t addr, struct link_map_part *ret)
{
	uint64_t word[5];
	struct err *err = read_words(m, addr, word, 5);
	if (!err)
		*ret = (struct link_map_part){ word[0], word[1], word[2], word[3], word[4] };
	return err;
}

/* As much of a string as can be read, PATH_MAX at most. */
static void read_path(struct mem *m, uint64_t addr, char ret[PATH_MAX + 1])
{
	size_t n = 0;
	while (n < PATH_MAX) {
		size_t got =
			mem_read_some(m, addr + n, ret + n, n + 64 <= PATH_MAX ? 64 : PATH_MAX - n);
		const char *end = memchr(ret + n, '\0', got);
		if (end)
			return;
		n += got;
		if (got == 0)
			break;
	}
	ret[n] = '\0';
}

static void put_library(struct walk *w, uint64_t lm, const struct link_map_part *map)
{
	char path[PATH_MAX + 1];

	read_path(w->mem, map->name, path);
	if (!path[0])
		return; /* the program itself in another namespace's list, a stub of ld.so */
	w->put++;
	buf_puts(w->out, "<library name=\"");
	buf_put_xml(w->out, path);
	buf_printf(w->out, "\" lm=\"0x%llx\" l_addr=\"0x%llx\" l_ld=\"0x%llx\" lmid=\"0x%llx\"/>\n",
		   (unsigned long long)lm, (unsigned long long)map->addr,
		   (unsigned long long)map->ld, (unsigned long long)w->lmid);
}

/*
 * The chain from @lm on, whose l_prev must be @prev.  @skip_first: it is the
 * program's own entry, which gdb has from the program.
 */
static void walk_chain(struct walk *w, uint64_t lm, uint64_t prev, bool skip_first)
{
	struct link_map_part map;

	for (; lm && !w->broken; prev = lm, lm = map.next) {
		if (++w->seen > LIBRARIES_MAX || w->out->len > DOCUMENT_MAX) {
			break_off(w, "implausibly long after %u entries", w->seen);
			return;
		}
		struct err *err = read_link_map(w->mem, lm, &map);
		if (err) {
			break_off(w, "link_map: %s", err->msg);
			err_drop(err);
			return;
		}
		if (map.prev != prev) {
			break_off(w, "link_map 0x%llx does not point back", (unsigned long long)lm);
			return;
		}
		if (!skip_first)
			put_library(w, lm, &map);
		skip_first = false;
	}
}

static void walk_namespaces(struct walk *w, uint64_t r_debug)
{
	struct r_debug_part d;
	bool program = true;

	for (unsigned int n = 0; r_debug && !w->broken; n++) {
		struct err *err = read_r_debug(w->mem, r_debug, &d);
		if (!err && n == NAMESPACES_MAX)
			err = err_new(ERR_BAD_DATA, "more than %u namespaces", NAMESPACES_MAX);
		if (err) {
			break_off(w, "r_debug: %s", err->msg);
			err_drop(err);
			return;
		}
		w->lmid = r_debug;
		walk_chain(w, d.map, 0, program);
		program = false;
		r_debug = d.next;
	}
}

struct phdrs {
	uint64_t addr, size, n;
};

static struct err *find_phdrs(struct target *t, struct phdrs *ret)
{
	_cleanup_buf_ struct buf auxv = { 0 };
	struct phdrs found = { 0 };
	uint64_t pair[2] = { 0 };
	size_t word = t->mem.addr_size;

	struct err *err = t->ops->auxv(t, &auxv);
	if (err)
		return err;
	if (auxv.failed)
		return &err_nomem;
	for (size_t at = 0; auxv.len - at >= 2 * word; at += 2 * word) {
		memcpy(&pair[0], auxv.data + at, word);
		memcpy(&pair[1], auxv.data + at + word, word);
		if (pair[0] == AT_PHDR)
			found.addr = pair[1];
		else if (pair[0] == AT_PHENT)
			found.size = pair[1];
		else if (pair[0] == AT_PHNUM)
			found.n = pair[1];
	}
	*ret = found;
	return NULL;
}

/* A program header of either class, by its size. */
static struct err *read_phdr(struct mem *m, uint64_t addr, Elf64_Phdr *ret)
{
	Elf32_Phdr ph;

	if (m->addr_size == 8)
		return mem_read(m, addr, ret, sizeof(*ret));
	struct err *err = mem_read(m, addr, &ph, sizeof(ph));
	if (!err)
		*ret = (Elf64_Phdr){ .p_type = ph.p_type, .p_vaddr = ph.p_vaddr };
	return err;
}

/* Where the program's dynamic section is; 0: it has none. */
static struct err *find_dynamic(struct mem *m, const struct phdrs *p, uint64_t *ret)
{
	uint64_t dynamic = 0, bias = 0;
	size_t size = m->addr_size == 8 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
	Elf64_Phdr ph;

	if (p->size != size || p->n > PHDRS_MAX)
		return err_new(ERR_BAD_DATA, "%llu program headers of %llu bytes are implausible",
			       (unsigned long long)p->n, (unsigned long long)p->size);
	for (uint64_t i = 0; i < p->n; i++) {
		struct err *err = read_phdr(m, p->addr + i * size, &ph);
		if (err)
			return err;
		if (ph.p_type == PT_PHDR)
			bias = p->addr - ph.p_vaddr;
		else if (ph.p_type == PT_DYNAMIC)
			dynamic = ph.p_vaddr;
	}
	*ret = dynamic ? dynamic + bias : 0;
	return NULL;
}

struct err *libraries_debug_slot(struct target *t, uint64_t *ret)
{
	struct phdrs phdrs;
	size_t word = t->mem.addr_size;
	uint64_t dynamic = 0, tag;

	struct err *err = find_phdrs(t, &phdrs);
	if (!err && phdrs.addr)
		err = find_dynamic(&t->mem, &phdrs, &dynamic);
	for (unsigned int i = 0; !err && dynamic && i < DYNAMIC_MAX; i++) {
		uint64_t at = dynamic + 2 * word * i;
		err = mem_ptr(&t->mem, at, &tag);
		if (err || tag == DT_NULL)
			break;
		if (tag == DT_DEBUG) {
			*ret = at + word;
			return NULL;
		}
	}
	return err ? err
		   : err_new(ERR_NOT_FOUND, "the program has no DT_DEBUG: it is statically linked");
}

/*
 * What ld.so left in DT_DEBUG; 0: it has not run yet.  Without the entry gdb
 * must get an error, as from gdbserver: it then looks for the list by itself,
 * and finds one where ld.so was run as a command (gdb.server/solib-list.exp).
 */
static struct err *find_r_debug(struct target *t, uint64_t *ret)
{
	uint64_t slot;
	struct err *err = libraries_debug_slot(t, &slot);
	return err ? err : mem_ptr(&t->mem, slot, ret);
}

struct err *libraries_breakpoint(struct target *t, uint64_t *ret)
{
	uint64_t r_debug = 0;
	struct err *err = find_r_debug(t, &r_debug);

	*ret = 0;
	if (err || !r_debug)
		return err;
	return mem_ptr(&t->mem, r_debug + 2ull * t->mem.addr_size, ret);
}

/* gdb's "lmid=HEX;start=HEX;prev=HEX": only what is new. Other keys may come. */
struct part {
	uint64_t lmid, start, prev;
};

static struct err *parse_annex(const char *annex, struct part *ret)
{
	struct rsp_cursor c = { annex, annex + strlen(annex) }, field, key;
	struct {
		const char *key;
		uint64_t *value;
	} keys[] = { { "lmid", &ret->lmid }, { "start", &ret->start }, { "prev", &ret->prev } };

	while (cur_token(&c, ';', &field)) {
		if (!cur_token(&field, '=', &key))
			return err_new(ERR_PROTO, "libraries-svr4: malformed annex");
		for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
			if (cur_left(&key) != strlen(keys[i].key) ||
			    memcmp(key.p, keys[i].key, cur_left(&key)) != 0)
				continue;
			if (!cur_hex(&field, keys[i].value) || !cur_end(&field))
				return err_new(ERR_PROTO, "libraries-svr4: malformed %s",
					       keys[i].key);
		}
	}
	return NULL;
}

/* A static program has no list of its own; gdb gets the error unless there is one to give. */
static struct err *put_extra_alone(const struct qxfer_ctx *ctx, struct walk *w, struct err *err)
{
	size_t before = w->out->len, empty;

	if (!ctx->extra || err->code != ERR_NOT_FOUND)
		return err;
	buf_puts(w->out, "<library-list-svr4 version=\"1.0\">\n");
	empty = w->out->len;
	ctx->extra->libraries(ctx->extra->arg, 0, w->out);
	if (w->out->len == empty) {
		w->out->len = before;
		return err;
	}
	err_drop(err);
	buf_puts(w->out, "</library-list-svr4>\n");
	return NULL;
}

static struct err *put_all(const struct qxfer_ctx *ctx, struct walk *w)
{
	struct r_debug_part d = { 0 };
	uint64_t r_debug;

	struct err *err = find_r_debug(ctx->target, &r_debug);
	if (err)
		return put_extra_alone(ctx, w, err);
	if (r_debug)
		err = read_r_debug(w->mem, r_debug, &d);
	if (err)
		return err;
	buf_puts(w->out, "<library-list-svr4 version=\"1.0\"");
	/* Version 0: ld.so has not got so far. */
	if (d.version == 0 || d.map == 0) {
		buf_puts(w->out, "/>\n");
		return NULL;
	}
	buf_printf(w->out, " main-lm=\"0x%llx\">\n", (unsigned long long)d.map);
	walk_namespaces(w, r_debug);
	/* Before ld.so has listed anything gdb has an entry for it, which a list would hide. */
	if (ctx->extra && w->put)
		ctx->extra->libraries(ctx->extra->arg, r_debug, w->out);
	buf_puts(w->out, "</library-list-svr4>\n");
	return NULL;
}

/* As gdbserver: a start that has nothing before it is the program, and is left out. */
static struct err *put_part(const struct qxfer_ctx *ctx, struct walk *w, const struct part *part)
{
	w->lmid = part->lmid;
	if (!w->lmid) {
		struct err *err = find_r_debug(ctx->target, &w->lmid);
		if (err)
			return err;
	}
	uint64_t prev = part->prev;
	/* The client takes the list as one; in the inferior ours are not in it. */
	if (ctx->extra && ctx->extra->owns_library(ctx->extra->arg, prev)) {
		struct link_map_part first;
		struct err *err = read_link_map(w->mem, part->start, &first);
		if (err)
			return err;
		prev = first.prev;
	}
	buf_puts(w->out, "<library-list-svr4 version=\"1.0\">\n");
	walk_chain(w, part->start, prev, prev == 0);
	buf_puts(w->out, "</library-list-svr4>\n");
	return NULL;
}

DOCUMENT(build_libraries)
{
	struct walk w = { .mem = &ctx->target->mem, .out = out };
	struct part part = { 0 };

	struct err *err = parse_annex(annex, &part);
	if (err)
		return err;
	return part.start ? put_part(ctx, &w, &part) : put_all(ctx, &w);
}
