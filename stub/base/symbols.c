/* SPDX-License-Identifier: MIT */
#include "stub/base/symbols.h"

#include <elf.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Far above what any image has; they only stop loops over hostile numbers. */
#define SYMBOLS_MAX  (1u << 22)
#define STRINGS_MAX  (1u << 28)
#define BUCKETS_MAX  (1u << 22)
#define NAME_LEN_MAX 4095u
#define BUILD_ID_MAX 64u

/* A symbol without a size may be padding's last label: it reaches no further. */
#define SIZELESS_MAX 4096u

void symbols_deinit(struct symbols *s)
{
	free(s->symbol);
	free(s->names);
	*s = (struct symbols){ 0 };
}

static bool make_room(void **array, size_t *cap, size_t want, size_t size)
{
	if (want <= *cap)
		return true;
	size_t more = *cap ? *cap * 2 : 1024;
	if (more < want)
		more = want;
	void *p = reallocarray(*array, more, size);
	if (!p)
		return false;
	*array = p;
	*cap = more;
	return true;
}

/* poll before __poll, global before weak before local. */
static uint8_t rank_of(const char *name, unsigned int binding)
{
	unsigned int underscores = 0;
	while (name[underscores] == '_' && underscores < 15)
		underscores++;
	unsigned int by_binding = binding == STB_GLOBAL ? 0 : binding == STB_WEAK ? 1 : 2;
	return (uint8_t)(underscores * 4 + by_binding);
}

static struct err *add(struct symbols *s, const Elf64_Sym *sym, uint64_t bias, const char *name,
		       size_t len)
{
	if (s->n >= SYMBOLS_MAX || s->names_len > STRINGS_MAX)
		return NULL;
	if (!make_room((void **)&s->symbol, &s->cap, s->n + 1, sizeof(*s->symbol)) ||
	    !make_room((void **)&s->names, &s->names_cap, s->names_len + len + 1, 1))
		return &err_nomem;
	s->symbol[s->n++] = (struct symbol){
		.addr = sym->st_value + bias,
		.size = sym->st_size,
		.name = (uint32_t)s->names_len,
		.rank = rank_of(name, ELF64_ST_BIND(sym->st_info)),
	};
	memcpy(s->names + s->names_len, name, len);
	s->names[s->names_len + len] = '\0';
	s->names_len += len + 1;
	return NULL;
}

/* Assembly often leaves its labels without a type; then only those with a size count. */
static bool is_function(const Elf64_Sym *sym)
{
	unsigned int type = ELF64_ST_TYPE(sym->st_info);
	if (sym->st_shndx == SHN_UNDEF || sym->st_shndx >= SHN_LORESERVE || !sym->st_value)
		return false;
	return type == STT_FUNC || type == STT_GNU_IFUNC || (type == STT_NOTYPE && sym->st_size);
}

/* @len bytes of strings: those of @n symbols. */
static struct err *add_table(struct symbols *s, const Elf64_Sym *sym, size_t n, uint64_t bias,
			     const char *strings, size_t len)
{
	struct err *err = NULL;
	for (size_t i = 0; i < n && !err; i++) {
		if (!is_function(&sym[i]) || sym[i].st_name >= len)
			continue;
		const char *name = strings + sym[i].st_name;
		size_t most = len - sym[i].st_name;
		size_t name_len = strnlen(name, most < NAME_LEN_MAX ? most : NAME_LEN_MAX);
		if (name_len && name_len < most && name[name_len] == '\0')
			err = add(s, &sym[i], bias, name, name_len);
	}
	return err;
}

/* ---- dynamic symbols, from memory ---- */

static bool read_u32(struct image *img, uint64_t addr, uint32_t *ret)
{
	return mem_read_some(img->mem, addr, ret, sizeof(*ret)) == sizeof(*ret);
}

/* A GNU hash table has no count: the last symbol is where the last chain ends. */
static uint32_t count_by_gnu_hash(struct image *img, uint64_t *looked_at)
{
	uint32_t head[4], last = 0, entry = 0;
	if (mem_read_some(img->mem, img->gnu_hash, head, sizeof(head)) != sizeof(head) ||
	    head[0] > BUCKETS_MAX || head[2] > BUCKETS_MAX)
		return 0;
	uint64_t buckets = img->gnu_hash + sizeof(head) + head[2] * 8ull;
	uint64_t chain = buckets + head[0] * 4ull;
	for (uint32_t i = 0; i < head[0]; i++, *looked_at += sizeof(entry)) {
		if (!read_u32(img, buckets + i * 4ull, &entry))
			return 0;
		last = entry > last ? entry : last;
	}
	if (last < head[1] || last > SYMBOLS_MAX)
		return head[1] < SYMBOLS_MAX ? head[1] : 0;
	for (; last < SYMBOLS_MAX; last++, *looked_at += sizeof(entry))
		if (!read_u32(img, chain + (last - head[1]) * 4ull, &entry) || entry & 1)
			return last + 1;
	return 0;
}

static uint32_t count_dynamic(struct image *img, uint64_t *looked_at)
{
	uint32_t n[2];
	if (img->gnu_hash)
		return count_by_gnu_hash(img, looked_at);
	if (img->sysv_hash && read_u32(img, img->sysv_hash, &n[0]) &&
	    read_u32(img, img->sysv_hash + 4, &n[1]) && n[1] <= SYMBOLS_MAX)
		return n[1];
	return 0;
}

struct err *symbols_add_dynamic(struct symbols *s, struct image *img)
{
	size_t n = img->symtab && img->strtab ? count_dynamic(img, &s->looked_at) : 0;
	if (!n || img->strsz > STRINGS_MAX)
		return NULL;
	Elf64_Sym *sym = malloc(n * sizeof(*sym));
	char *strings = malloc(img->strsz + 1);
	struct err *err = NULL;
	if (!sym || !strings) {
		err = &err_nomem;
	} else {
		n = mem_read_some(img->mem, img->symtab, sym, n * sizeof(*sym)) / sizeof(*sym);
		size_t len = mem_read_some(img->mem, img->strtab, strings, img->strsz);
		err = add_table(s, sym, n, img->bias, strings, len);
	}
	s->looked_at += n * sizeof(*sym) + img->strsz;
	free(sym);
	free(strings);
	return err;
}

/* ---- .symtab, from files ---- */

static struct err *add_section(struct symbols *s, Elf *elf, Elf_Scn *scn, uint64_t bias)
{
	const Elf64_Shdr *sh = elf64_getshdr(scn);
	const Elf_Data *data = elf_getdata(scn, NULL);
	Elf_Scn *strings = elf_getscn(elf, sh->sh_link);
	const Elf_Data *text = strings ? elf_getdata(strings, NULL) : NULL;
	if (!data || !data->d_buf || !text || !text->d_buf)
		return NULL;
	s->looked_at += data->d_size + text->d_size;
	return add_table(s, data->d_buf, data->d_size / sizeof(Elf64_Sym), bias, text->d_buf,
			 text->d_size);
}

static struct err *add_elf(struct symbols *s, Elf *elf, uint64_t bias)
{
	struct err *err = NULL;
	for (Elf_Scn *scn = elf_nextscn(elf, NULL); scn && !err; scn = elf_nextscn(elf, scn)) {
		const Elf64_Shdr *sh = elf64_getshdr(scn);
		if (sh && sh->sh_type == SHT_SYMTAB)
			err = add_section(s, elf, scn, bias);
	}
	return err;
}

struct err *symbols_add_static(struct symbols *s, struct image *img)
{
	return img->elf ? add_elf(s, img->elf, img->bias) : NULL;
}

/* ---- debug files ---- */

#define CHECKSUM_FILE_MAX (1ll << 28) /* bytes of a file that is summed up */

/*
 * The checksum of .gnu_debuglink: polynomial 0x04c11db7, least significant bit first,
 * started at all ones and inverted at the end.
 */
static uint32_t checksum(const uint32_t table[8][256], uint32_t crc, const uint8_t *p, size_t len)
{
	for (; len >= 8; len -= 8, p += 8) {
		uint32_t a = crc ^ (p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
				    (uint32_t)p[3] << 24);
		crc = table[7][a & 0xff] ^ table[6][a >> 8 & 0xff] ^ table[5][a >> 16 & 0xff] ^
		      table[4][a >> 24] ^ table[3][p[4]] ^ table[2][p[5]] ^ table[1][p[6]] ^
		      table[0][p[7]];
	}
	for (; len; len--, p++)
		crc = crc >> 8 ^ table[0][(crc ^ *p) & 0xff];
	return crc;
}

static void make_table(uint32_t table[8][256])
{
	for (uint32_t b = 0; b < 256; b++) {
		table[0][b] = b;
		for (int bit = 0; bit < 8; bit++)
			table[0][b] = table[0][b] >> 1 ^ (table[0][b] & 1 ? 0xedb88320u : 0);
	}
	for (int k = 1; k < 8; k++)
		for (uint32_t b = 0; b < 256; b++)
			table[k][b] = table[k - 1][b] >> 8 ^ table[0][table[k - 1][b] & 0xff];
}

static bool checksum_file(int fd, uint32_t *ret, uint64_t *looked_at)
{
	uint32_t table[8][256], crc = UINT32_MAX;
	uint8_t bytes[1u << 15];
	off_t at = 0;
	ssize_t n;
	make_table(table);
	while ((n = pread(fd, bytes, sizeof(bytes), at)) > 0 && at < CHECKSUM_FILE_MAX) {
		crc = checksum(table, crc, bytes, (size_t)n);
		at += n;
	}
	*ret = ~crc;
	*looked_at += (uint64_t)at;
	return n == 0;
}

enum same { SAME_UNKNOWN, SAME_NO, SAME_YES };

/* Whether the notes of a section hold this build-id, or another. */
static enum same notes_have(const Elf_Data *data, const uint8_t *id, size_t len)
{
	const uint8_t *notes = data->d_buf;
	size_t at = 0;
	while (data->d_size - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr nh;
		memcpy(&nh, notes + at, sizeof(nh));
		size_t name = at + sizeof(nh), desc = name + ((nh.n_namesz + 3ull) & ~3ull);
		size_t end = desc + ((nh.n_descsz + 3ull) & ~3ull);
		if (end > data->d_size || end <= at)
			return SAME_UNKNOWN;
		if (nh.n_type == NT_GNU_BUILD_ID && nh.n_namesz == 4 &&
		    memcmp(notes + name, "GNU", 4) == 0)
			return nh.n_descsz == len && memcmp(notes + desc, id, len) == 0 ? SAME_YES
											: SAME_NO;
		at = end;
	}
	return SAME_UNKNOWN;
}

static enum same has_build_id(Elf *elf, const uint8_t *id, size_t len)
{
	enum same same = SAME_UNKNOWN;
	for (Elf_Scn *scn = elf_nextscn(elf, NULL); scn; scn = elf_nextscn(elf, scn)) {
		const Elf64_Shdr *sh = elf64_getshdr(scn);
		const Elf_Data *data =
			sh && sh->sh_type == SHT_NOTE ? elf_rawdata(scn, NULL) : NULL;
		if (same == SAME_UNKNOWN && data && data->d_buf)
			same = notes_have(data, id, len);
	}
	return same;
}

/* By the build-id; where there is none on one side by the checksum, if there is one. */
static bool is_debug_file(struct symbols *s, struct image *img, Elf *elf, int fd,
			  const uint32_t *crc)
{
	uint8_t id[BUILD_ID_MAX];
	uint32_t has;
	size_t len = image_build_id(img, id, sizeof(id));
	enum same same = len ? has_build_id(elf, id, len) : SAME_UNKNOWN;
	if (same != SAME_UNKNOWN || !crc)
		return same == SAME_YES;
	return checksum_file(fd, &has, &s->looked_at) && has == *crc;
}

struct err *symbols_add_debug(struct symbols *s, struct image *img, int fd, const uint32_t *crc,
			      bool *added)
{
	struct err *err = NULL;

	*added = false;
	elf_version(EV_CURRENT);
	/* Not ELF_C_READ_MMAP: see image_add_file(). */
	Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
	if (elf && elf64_getehdr(elf) && is_debug_file(s, img, elf, fd, crc)) {
		err = add_elf(s, elf, img->bias);
		*added = !err;
	}
	elf_end(elf);
	return err;
}

/* ---- looking up ---- */

static int compare(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;
	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	/* What says how long it is knows more than what does not. */
	if (!x->size != !y->size)
		return x->size ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return x->name < y->name ? -1 : x->name > y->name;
}

void symbols_sort(struct symbols *s)
{
	size_t kept = 0;
	if (s->n)
		qsort(s->symbol, s->n, sizeof(*s->symbol), compare);
	for (size_t i = 0; i < s->n; i++)
		if (!kept || s->symbol[kept - 1].addr != s->symbol[i].addr)
			s->symbol[kept++] = s->symbol[i];
	s->n = kept;
}

/* A few labels may lie inside a function; past them it goes on. */
#define NESTED_MAX 16u

const char *symbols_find(const struct symbols *s, uint64_t addr, uint64_t *offset)
{
	size_t lo = 0, hi = s->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (s->symbol[mid].addr <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (size_t i = lo; i-- && lo - i <= NESTED_MAX;) {
		const struct symbol *sym = &s->symbol[i];
		uint64_t at = addr - sym->addr;
		if (at >= (sym->size ? sym->size : i + 1 == lo ? SIZELESS_MAX : 0))
			continue;
		*offset = at;
		return s->names + sym->name;
	}
	return NULL;
}
