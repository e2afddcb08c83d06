/* SPDX-License-Identifier: MIT */
#include "stub/tls.h"

#include <elf.h>
#include <string.h>

#include "stub/base/image.h"

#define PHDRS_MAX     256u
#define LINK_MAP_MAX  4096u  /* bytes of a link_map, or of musl's struct dso */
#define MODULES_MAX   65536u /* that one program may have with thread-local variables */
#define SLOT_LISTS    1024u  /* parts of glibc's list of modules */
#define IMAGES_OPENED 64u    /* to look for the C library's symbols */

/* l_tls_offset of a module that has no place in the static block, glibc's or none at all. */
#define OFFSET_NONE   0u
#define OFFSET_FORCED UINT64_MAX

/* The thread control block: pointers to itself and to the dtv; glibc tcbhead_t, musl struct pthread. */
#define TCB_DTV 8u

struct finder {
	const struct space *space;
	struct mem *mem;
	uint64_t tp, lm, offset;
	bool musl;
	uint64_t block_offset, modid; /* what the link_map says */
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

/* Its loader, which is its C library too, goes by either name; glibc's is never these. */
static bool is_musl(const struct maps *m)
{
	for (size_t i = 0; i < m->n; i++) {
		const char *name = base_name(m->map[i].path);
		if (strncmp(name, "ld-musl-", 8) == 0 || strcmp(name, "libc.so") == 0)
			return true;
	}
	return false;
}

/* The first mapping of the file that @addr is mapped from. */
static const struct map *first_of_file(const struct maps *m, uint64_t addr)
{
	const struct map *at = maps_find(m, addr), *first = at;

	for (; at && at >= m->map; at--)
		if (at->path[0] && strcmp(at->path, first->path) == 0 &&
		    at->inode == first->inode) {
			first = at;
			if (!at->offset)
				break;
		}
	return first && !first->offset && first->path[0] ? first : NULL;
}

/* PT_TLS of the image at @base, which has its dynamic section at @dynamic. */
static struct err *read_segment(struct finder *f, uint64_t base, uint64_t bias, uint64_t dynamic,
				Elf64_Phdr *ret)
{
	Elf64_Ehdr ehdr;
	bool fits = false, found = false;

	struct err *err = mem_read(f->mem, base, &ehdr, sizeof(ehdr));
	if (err)
		return err;
	if (memcmp(ehdr.e_ident, ELFMAG, SELFMAG) != 0 || ehdr.e_phnum > PHDRS_MAX ||
	    ehdr.e_phentsize != sizeof(Elf64_Phdr))
		return err_new(ERR_BAD_DATA, "no ELF image at 0x%llx", (unsigned long long)base);
	for (unsigned int i = 0; !err && i < ehdr.e_phnum; i++) {
		Elf64_Phdr phdr;
		err = mem_read(f->mem, base + ehdr.e_phoff + i * sizeof(phdr), &phdr, sizeof(phdr));
		if (err)
			return err;
		fits |= phdr.p_type == PT_DYNAMIC && phdr.p_vaddr + bias == dynamic;
		if (phdr.p_type == PT_TLS) {
			*ret = phdr;
			found = true;
		}
	}
	if (!fits)
		return err_new(ERR_BAD_DATA, "the image at 0x%llx is not the one of the link_map",
			       (unsigned long long)base);
	if (!found)
		return err_new(ERR_NOT_FOUND, "the module has no thread-local storage");
	return NULL;
}

/*
 * In @words of a link_map: image, sizes and alignment of @tls, then (glibc) how far the first
 * byte is from that alignment, then what is looked for.
 */
static bool match_words(struct finder *f, const uint64_t *words, size_t n, const Elf64_Phdr *tls,
			uint64_t bias)
{
	size_t gap = f->musl ? 0 : 1;
	uint64_t first = tls->p_align ? tls->p_vaddr & (tls->p_align - 1) : 0;

	for (size_t i = 0; i + 6 + gap <= n; i++) {
		if (words[i] != tls->p_vaddr + bias || words[i + 1] != tls->p_filesz ||
		    words[i + 2] < tls->p_memsz || words[i + 3] != tls->p_align ||
		    (gap && (words[i + 2] != tls->p_memsz || words[i + 4] != first)))
			continue;
		f->block_offset = words[i + 4 + gap];
		f->modid = words[i + 5 + gap];
		if (f->modid && f->modid <= MODULES_MAX)
			return true;
	}
	return false;
}

static struct err *find_by_segment(struct finder *f, uint64_t bias, uint64_t dynamic)
{
	uint64_t words[LINK_MAP_MAX / 8];
	Elf64_Phdr tls = { 0 };

	const struct map *first = first_of_file(f->space->maps, dynamic);
	if (!first)
		return err_new(ERR_BAD_DATA, "the link_map is of no file that is mapped");
	struct err *err = read_segment(f, first->start, bias, dynamic, &tls);
	if (err)
		return err;
	size_t n = mem_read_some(f->mem, f->lm, words, sizeof(words)) / 8;
	if (match_words(f, words, n, &tls, bias))
		return NULL;
	return err_new(ERR_BAD_DATA, "the C library's layout of link_map is not known");
}

/* ---- glibc's symbols ---- */

/* A field's place: bits, elements, bytes from the start (glibc, nptl_db/db_info.c). */
static bool read_field(struct mem *m, struct image *img, const char *name, uint64_t *ret)
{
	struct image_symbol symbol;
	uint32_t field[3];

	if (!image_find_dynamic(img, name, &symbol) && !image_find_static(img, name, &symbol))
		return false;
	struct err *err = mem_read(m, symbol.addr, field, sizeof(field));
	bool sound = !err && field[0] == 64 && field[2] < LINK_MAP_MAX * 4;
	err_drop(err);
	*ret = field[2];
	return sound;
}

static bool is_c_library(const char *path)
{
	static const char *const names[] = { "libc.so", "libc-2", "libpthread" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(base_name(path), names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

static bool open_image(const struct finder *f, const struct map *map, struct image *ret)
{
	struct err *err = image_open(f->mem, map->start, ret);
	bool there = !err;
	err_drop(err);
	if (!there)
		return false;
	int fd = f->space->open_map ? f->space->open_map(f->space->ctx, map) : -1;
	if (fd >= 0)
		err_drop(image_add_file(ret, fd)); /* then there are dynamic symbols only */
	return true;
}

static bool read_fields(const struct finder *f, struct image *img, uint64_t *offset,
			uint64_t *modid)
{
	return read_field(f->mem, img, "_thread_db_link_map_l_tls_offset", offset) &&
	       read_field(f->mem, img, "_thread_db_link_map_l_tls_modid", modid);
}

/* ERR_NOT_FOUND: no library has them. */
static struct err *find_by_symbols(struct finder *f)
{
	const struct maps *maps = f->space->maps;
	uint64_t offset, modid;
	unsigned int opened = 0;
	bool found = false;

	for (size_t i = 0; i < maps->n && !found && opened < IMAGES_OPENED; i++) {
		struct image img = { .fd = -1 };
		if (maps->map[i].offset || !is_c_library(maps->map[i].path) ||
		    !open_image(f, &maps->map[i], &img))
			continue;
		opened++;
		found = read_fields(f, &img, &offset, &modid);
		image_deinit(&img);
	}
	if (!found)
		return err_new(ERR_NOT_FOUND, "the C library does not say where thread-local "
					      "storage is");
	struct err *err = mem_ptr(f->mem, f->lm + offset, &f->block_offset);
	if (!err)
		err = mem_ptr(f->mem, f->lm + modid, &f->modid);
	return err;
}

static struct err *find_module(struct finder *f)
{
	uint64_t bias, dynamic;

	if (!f->lm) {
		f->modid = 1; /* the program's, by the ABI */
		f->block_offset = OFFSET_NONE;
		return NULL;
	}
	struct err *err = mem_ptr(f->mem, f->lm, &bias);
	if (!err)
		err = mem_ptr(f->mem, f->lm + 16, &dynamic);
	if (err)
		return err;
	err = find_by_segment(f, bias, dynamic);
	if (f->musl || !err || err->code == ERR_NOT_FOUND)
		return err;
	err_drop(err);
	return find_by_symbols(f);
}

/* ---- the thread's vector of blocks ---- */

static struct err *not_yet(void)
{
	return err_new(ERR_NOT_FOUND, "the thread has not used the module's thread-local storage "
				      "yet: none is allocated");
}

/* musl: [0] is how many there are, a pointer each. */
static struct err *find_in_musl_dtv(const struct finder *f, uint64_t dtv, uint64_t *ret)
{
	uint64_t n, block = 0;

	struct err *err = mem_ptr(f->mem, dtv, &n);
	if (!err && f->modid > n)
		return not_yet();
	if (!err)
		err = mem_ptr(f->mem, dtv + f->modid * 8, &block);
	if (!err && !block)
		return not_yet();
	*ret = block + f->offset;
	return err;
}

/* glibc: [-1] is how many there are, [0] the generation; two words each, -1: none yet. */
static struct err *find_in_glibc_dtv(const struct finder *f, uint64_t dtv, uint64_t *ret)
{
	uint64_t n, block = 0;

	struct err *err = mem_ptr(f->mem, dtv - 16, &n);
	if (!err && f->modid > n)
		return not_yet();
	if (!err)
		err = mem_ptr(f->mem, dtv + f->modid * 16, &block);
	if (!err && (block == UINT64_MAX || !block))
		return not_yet();
	*ret = block + f->offset;
	return err;
}

/*
 * A number that an unloaded module had may be another's now, and the vector has the
 * old one's block until the thread uses the new one.  The list of modules says when
 * each number was given out: what the thread has is older, or it is the module's.
 */
static struct err *check_slot(const struct finder *f, uint64_t list, uint64_t field, uint64_t dtv)
{
	uint64_t at, len, next, first = 0, slot[2], generation;

	struct err *err = mem_ptr(f->mem, list + field, &at);
	for (unsigned int i = 0; !err && i < SLOT_LISTS && at; i++, at = next, first += len) {
		err = mem_ptr(f->mem, at, &len);
		if (!err)
			err = mem_ptr(f->mem, at + 8, &next);
		if (err || len > MODULES_MAX)
			break;
		if (f->modid - first >= len)
			continue;
		err = mem_read(f->mem, at + 16 + (f->modid - first) * 16, slot, sizeof(slot));
		if (!err)
			err = mem_ptr(f->mem, dtv, &generation);
		if (!err && slot[1] == f->lm && slot[0] > generation)
			return not_yet();
		break;
	}
	err_drop(err); /* not known, then */
	return NULL;
}

/* Where the loader has it; without these symbols nothing is checked. */
static struct err *check_generation(const struct finder *f, uint64_t dtv)
{
	const struct maps *maps = f->space->maps;
	struct image_symbol global = { 0 };
	uint64_t field = 0;
	unsigned int opened = 0;
	bool known = false;

	for (size_t i = 0; i < maps->n && opened < IMAGES_OPENED && !(known && global.addr); i++) {
		const char *name = base_name(maps->map[i].path);
		struct image img = { .fd = -1 };
		bool loader = strncmp(name, "ld-", 3) == 0;
		if (maps->map[i].offset || (!loader && !is_c_library(name)) ||
		    !open_image(f, &maps->map[i], &img))
			continue;
		opened++;
		if (loader)
			(void)image_find_dynamic(&img, "_rtld_global", &global);
		else if (!known)
			known = read_field(f->mem, &img,
					   "_thread_db_rtld_global__dl_tls_dtv_slotinfo_list",
					   &field);
		image_deinit(&img);
	}
	return known && global.addr ? check_slot(f, global.addr, field, dtv) : NULL;
}

static struct err *find_block(const struct finder *f, uint64_t *ret)
{
	uint64_t dtv;

	/* In the block below the thread pointer, allocated with the thread. */
	if (!f->musl && f->block_offset != OFFSET_NONE && f->block_offset != OFFSET_FORCED) {
		*ret = f->tp - f->block_offset + f->offset;
		return NULL;
	}
	struct err *err = mem_ptr(f->mem, f->tp + TCB_DTV, &dtv);
	if (err)
		return err;
	if (f->musl)
		return find_in_musl_dtv(f, dtv, ret);
	err = f->lm ? check_generation(f, dtv) : NULL;
	return err ? err : find_in_glibc_dtv(f, dtv, ret);
}

struct err *tls_address(const struct space *s, uint64_t tp, uint64_t lm, uint64_t offset,
			uint64_t *ret)
{
	struct finder f = { .space = s, .mem = s->mem, .tp = tp, .lm = lm, .offset = offset };
	uint64_t self;

	if (!tp)
		return err_new(ERR_NOT_FOUND, "the thread has no thread pointer (yet)");
	struct err *err = mem_ptr(s->mem, tp, &self);
	if (!err && self != tp)
		return err_new(ERR_BAD_DATA, "the C library is neither glibc nor musl: nothing is "
					     "known of its thread-local storage");
	f.musl = is_musl(s->maps);
	if (!err)
		err = find_module(&f);
	if (!err)
		err = find_block(&f, ret);
	return err;
}
