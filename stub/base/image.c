/* SPDX-License-Identifier: MIT */
#include "stub/base/image.h"

#include <elf.h>
#include <libelf.h>
#include <string.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Far above what any linker writes; they only stop loops over hostile numbers. */
#define PHDRS_MAX    256u
#define DYNAMIC_MAX  1024u
#define BUCKETS_MAX  (1u << 24)
#define CHAIN_MAX    4096u
#define NAME_MAX_LEN 128u
#define NOTES_MAX    64u

struct phdr_scan {
	bool have_bias;
	uint64_t dynamic, dynamic_size;
	Elf64_Phdr load[PHDRS_MAX];
	size_t nload, nnotes;
};

static struct err *read_header(struct mem *m, uint64_t base, Elf64_Ehdr *ret)
{
	struct err *err = mem_read(m, base, ret, sizeof(*ret));
	if (err)
		return err;
	if (memcmp(ret->e_ident, ELFMAG, SELFMAG) != 0 || ret->e_ident[EI_CLASS] != ELFCLASS64 ||
	    ret->e_ident[EI_DATA] != ELFDATA2LSB || ret->e_phentsize != sizeof(Elf64_Phdr) ||
	    !ret->e_phnum || ret->e_phnum > PHDRS_MAX)
		return err_new(ERR_BAD_DATA, "no ELF image at 0x%llx", (unsigned long long)base);
	return NULL;
}

static void scan_phdr(struct image *img, const Elf64_Phdr *ph, struct phdr_scan *scan)
{
	if (ph->p_type == PT_DYNAMIC) {
		scan->dynamic = ph->p_vaddr;
		scan->dynamic_size = ph->p_memsz;
	}
	if (ph->p_type == PT_NOTE && scan->nnotes < ARRAY_SIZE(img->note)) {
		img->note[scan->nnotes].addr = ph->p_vaddr;
		img->note[scan->nnotes].size = ph->p_memsz;
		scan->nnotes++;
	}
	if (ph->p_type == PT_GNU_EH_FRAME)
		img->unwind = ph->p_vaddr;
	if (ph->p_type != PT_LOAD)
		return;
	scan->load[scan->nload++] = *ph;
	/* The segment whose first page holds the file's first byte. */
	if (ph->p_offset < MEM_PAGE && !scan->have_bias) {
		img->bias = img->base - (ph->p_vaddr - ph->p_offset);
		scan->have_bias = true;
	}
}

static struct err *scan_phdrs(struct image *img, const Elf64_Ehdr *eh, struct phdr_scan *scan)
{
	for (unsigned int i = 0; i < eh->e_phnum; i++) {
		Elf64_Phdr ph;
		struct err *err = mem_read(img->mem, img->base + eh->e_phoff + i * sizeof(ph), &ph,
					   sizeof(ph));
		if (err)
			return err;
		scan_phdr(img, &ph, scan);
	}
	if (!scan->have_bias)
		return err_new(ERR_BAD_DATA, "the ELF image at 0x%llx does not map its own header",
			       (unsigned long long)img->base);
	img->lo = UINT64_MAX;
	for (size_t i = 0; i < scan->nload; i++) {
		uint64_t start = scan->load[i].p_vaddr + img->bias;
		uint64_t end = start + scan->load[i].p_memsz;
		if (start < img->lo)
			img->lo = start;
		if (end > img->hi)
			img->hi = end;
	}
	for (size_t i = 0; i < scan->nnotes; i++)
		img->note[i].addr += img->bias;
	if (img->unwind)
		img->unwind += img->bias;
	return NULL;
}

/*
 * glibc's loader rewrites the pointers of the dynamic section to run-time
 * addresses, musl's and the kernel's vDSO leave them as in the file.
 */
static uint64_t dynamic_pointer(const struct image *img, uint64_t value)
{
	return value >= img->lo && value < img->hi ? value : value + img->bias;
}

static void scan_dynamic(struct image *img, const struct phdr_scan *scan)
{
	size_t n = scan->dynamic_size / sizeof(Elf64_Dyn);
	for (size_t i = 0; i < n && i < DYNAMIC_MAX; i++) {
		Elf64_Dyn dyn;
		struct err *err = mem_read(img->mem, scan->dynamic + img->bias + i * sizeof(dyn),
					   &dyn, sizeof(dyn));
		if (err) {
			err_drop(err); /* what was read so far is of use */
			return;
		}
		switch (dyn.d_tag) {
		case DT_NULL:
			return;
		case DT_SYMTAB:
			img->symtab = dynamic_pointer(img, dyn.d_un.d_ptr);
			break;
		case DT_STRTAB:
			img->strtab = dynamic_pointer(img, dyn.d_un.d_ptr);
			break;
		case DT_STRSZ:
			img->strsz = dyn.d_un.d_val;
			break;
		case DT_GNU_HASH:
			img->gnu_hash = dynamic_pointer(img, dyn.d_un.d_ptr);
			break;
		case DT_HASH:
			img->sysv_hash = dynamic_pointer(img, dyn.d_un.d_ptr);
			break;
		default:
			break;
		}
	}
}

struct err *image_open(struct mem *m, uint64_t base, struct image *ret)
{
	struct image img = { .mem = m, .base = base, .fd = -1 };
	struct phdr_scan scan = { .nload = 0 };
	Elf64_Ehdr eh;

	struct err *err = read_header(m, base, &eh);
	if (!err)
		err = scan_phdrs(&img, &eh, &scan);
	if (err)
		return err;
	if (scan.dynamic)
		scan_dynamic(&img, &scan);
	*ret = img;
	return NULL;
}

void image_deinit(struct image *img)
{
	if (img->elf)
		elf_end(img->elf);
	if (img->fd >= 0)
		close(img->fd);
	img->elf = NULL;
	img->fd = -1;
}

/* ---- dynamic symbols, from memory ---- */

static bool symbol_is(struct image *img, const Elf64_Sym *sym, const char *name)
{
	char text[NAME_MAX_LEN];
	size_t len = strlen(name) + 1;
	if (len > sizeof(text) || sym->st_shndx == SHN_UNDEF || sym->st_name >= img->strsz)
		return false;
	return mem_read_some(img->mem, img->strtab + sym->st_name, text, len) == len &&
	       memcmp(text, name, len) == 0;
}

/* Whether dynamic symbol number @index is @name; fills *ret if so. */
static bool try_symbol(struct image *img, uint32_t index, const char *name,
		       struct image_symbol *ret)
{
	Elf64_Sym sym;
	uint64_t at = img->symtab + (uint64_t)index * sizeof(sym);
	if (mem_read_some(img->mem, at, &sym, sizeof(sym)) != sizeof(sym) ||
	    !symbol_is(img, &sym, name))
		return false;
	*ret = (struct image_symbol){ sym.st_value + img->bias, sym.st_size };
	return true;
}

static bool read_u32(struct image *img, uint64_t addr, uint32_t *ret)
{
	return mem_read_some(img->mem, addr, ret, sizeof(*ret)) == sizeof(*ret);
}

static uint32_t gnu_hash(const char *name)
{
	uint32_t h = 5381;
	for (; *name; name++)
		h = h * 33 + (uint8_t)*name;
	return h;
}

static bool find_by_gnu_hash(struct image *img, const char *name, struct image_symbol *ret)
{
	struct {
		uint32_t nbuckets, first, nbloom, shift;
	} head;
	uint32_t hash = gnu_hash(name), index, entry;

	if (mem_read_some(img->mem, img->gnu_hash, &head, sizeof(head)) != sizeof(head) ||
	    !head.nbuckets || head.nbuckets > BUCKETS_MAX || head.nbloom > BUCKETS_MAX)
		return false;
	uint64_t buckets = img->gnu_hash + sizeof(head) + head.nbloom * 8ull;
	uint64_t chain = buckets + head.nbuckets * 4ull;
	if (!read_u32(img, buckets + hash % head.nbuckets * 4ull, &index) || index < head.first)
		return false;
	for (unsigned int i = 0; i < CHAIN_MAX; i++, index++) {
		if (!read_u32(img, chain + (index - head.first) * 4ull, &entry))
			return false;
		if ((entry | 1) == (hash | 1) && try_symbol(img, index, name, ret))
			return true;
		if (entry & 1) /* the last of its bucket */
			return false;
	}
	return false;
}

static uint32_t sysv_hash(const char *name)
{
	uint32_t h = 0;
	for (; *name; name++) {
		h = (h << 4) + (uint8_t)*name;
		uint32_t top = h & 0xf0000000;
		h = (h ^ top >> 24) & ~top;
	}
	return h;
}

static bool find_by_sysv_hash(struct image *img, const char *name, struct image_symbol *ret)
{
	uint32_t n[2], index;
	if (mem_read_some(img->mem, img->sysv_hash, n, sizeof(n)) != sizeof(n) || !n[0] ||
	    n[0] > BUCKETS_MAX)
		return false;
	if (!read_u32(img, img->sysv_hash + 8 + sysv_hash(name) % n[0] * 4ull, &index))
		return false;
	for (unsigned int i = 0; i < CHAIN_MAX && index && index < n[1]; i++) {
		if (try_symbol(img, index, name, ret))
			return true;
		if (!read_u32(img, img->sysv_hash + 8 + n[0] * 4ull + index * 4ull, &index))
			return false;
	}
	return false;
}

bool image_find_dynamic(struct image *img, const char *name, struct image_symbol *ret)
{
	if (!img->symtab || !img->strtab)
		return false;
	if (img->gnu_hash)
		return find_by_gnu_hash(img, name, ret);
	return img->sysv_hash && find_by_sysv_hash(img, name, ret);
}

/* ---- the file ---- */

struct err *image_add_file(struct image *img, int fd)
{
	Elf64_Ehdr in_memory;
	struct err *err = read_header(img->mem, img->base, &in_memory);
	if (err) {
		close(fd);
		return err;
	}
	elf_version(EV_CURRENT);
	/* Not ELF_C_READ_MMAP: a file that is cut short under us would raise SIGBUS. */
	Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
	const Elf64_Ehdr *eh = elf ? elf64_getehdr(elf) : NULL;
	if (!eh || eh->e_phnum != in_memory.e_phnum || eh->e_entry != in_memory.e_entry ||
	    eh->e_type != in_memory.e_type) {
		elf_end(elf);
		close(fd);
		return err_new(ERR_BAD_DATA,
			       "the file of the image at 0x%llx is not what is mapped",
			       (unsigned long long)img->base);
	}
	image_deinit(img);
	img->elf = elf;
	img->fd = fd;
	return NULL;
}

bool image_find_section(struct image *img, const char *name, struct image_symbol *ret)
{
	size_t strings;
	if (!img->elf || elf_getshdrstrndx(img->elf, &strings) != 0)
		return false;
	for (Elf_Scn *scn = elf_nextscn(img->elf, NULL); scn; scn = elf_nextscn(img->elf, scn)) {
		const Elf64_Shdr *sh = elf64_getshdr(scn);
		const char *text = sh ? elf_strptr(img->elf, strings, sh->sh_name) : NULL;
		if (!text || strcmp(text, name) != 0 || !(sh->sh_flags & SHF_ALLOC))
			continue;
		*ret = (struct image_symbol){ sh->sh_addr + img->bias, sh->sh_size };
		return true;
	}
	return false;
}

static bool find_in_table(struct image *img, Elf_Scn *scn, const char *name,
			  struct image_symbol *ret)
{
	const Elf64_Shdr *sh = elf64_getshdr(scn);
	const Elf_Data *data = elf_getdata(scn, NULL);
	if (!data || !data->d_buf)
		return false;
	const Elf64_Sym *sym = data->d_buf;
	for (size_t i = 0; i < data->d_size / sizeof(*sym); i++) {
		if (sym[i].st_shndx == SHN_UNDEF)
			continue;
		const char *text = elf_strptr(img->elf, sh->sh_link, sym[i].st_name);
		if (!text || strcmp(text, name) != 0)
			continue;
		*ret = (struct image_symbol){ sym[i].st_value + img->bias, sym[i].st_size };
		return true;
	}
	return false;
}

bool image_find_static(struct image *img, const char *name, struct image_symbol *ret)
{
	if (!img->elf)
		return false;
	for (Elf_Scn *scn = elf_nextscn(img->elf, NULL); scn; scn = elf_nextscn(img->elf, scn)) {
		const Elf64_Shdr *sh = elf64_getshdr(scn);
		if (sh && sh->sh_type == SHT_SYMTAB && find_in_table(img, scn, name, ret))
			return true;
	}
	return false;
}

/* A name, zeros up to a multiple of four bytes, and the checksum. */
static bool read_debug_link(const Elf_Data *data, char *name, size_t room, uint32_t *crc)
{
	size_t len = data && data->d_buf ? strnlen(data->d_buf, data->d_size) : 0;
	size_t at = (len + 4) & ~(size_t)3;
	if (!len || len >= room || at > data->d_size || data->d_size - at < sizeof(*crc))
		return false;
	memcpy(name, data->d_buf, len + 1);
	memcpy(crc, (const uint8_t *)data->d_buf + at, sizeof(*crc));
	return true;
}

bool image_debug_link(struct image *img, char *name, size_t room, uint32_t *crc)
{
	size_t strings;
	if (!img->elf || elf_getshdrstrndx(img->elf, &strings) != 0)
		return false;
	for (Elf_Scn *scn = elf_nextscn(img->elf, NULL); scn; scn = elf_nextscn(img->elf, scn)) {
		const Elf64_Shdr *sh = elf64_getshdr(scn);
		const char *text = sh ? elf_strptr(img->elf, strings, sh->sh_name) : NULL;
		if (text && strcmp(text, ".gnu_debuglink") == 0)
			return read_debug_link(elf_rawdata(scn, NULL), name, room, crc);
	}
	return false;
}

/* ---- build-id ---- */

static size_t build_id_in(struct image *img, uint64_t at, uint64_t left, uint8_t *buf, size_t room)
{
	for (unsigned int i = 0; i < NOTES_MAX && left >= sizeof(Elf64_Nhdr); i++) {
		Elf64_Nhdr nh;
		char owner[4] = "";
		if (mem_read_some(img->mem, at, &nh, sizeof(nh)) != sizeof(nh))
			return 0;
		uint64_t name_len = (nh.n_namesz + 3ull) & ~3ull;
		uint64_t size = sizeof(nh) + name_len + ((nh.n_descsz + 3ull) & ~3ull);
		if (size > left)
			return 0;
		if (nh.n_type == NT_GNU_BUILD_ID && nh.n_namesz == sizeof(owner) &&
		    mem_read_some(img->mem, at + sizeof(nh), owner, sizeof(owner)) == 4 &&
		    memcmp(owner, "GNU", 4) == 0) {
			size_t n = nh.n_descsz < room ? nh.n_descsz : room;
			return mem_read_some(img->mem, at + sizeof(nh) + name_len, buf, n);
		}
		at += size;
		left -= size;
	}
	return 0;
}

size_t image_build_id(struct image *img, uint8_t *buf, size_t room)
{
	size_t n = 0;
	for (size_t i = 0; i < ARRAY_SIZE(img->note) && !n; i++)
		n = build_id_in(img, img->note[i].addr, img->note[i].size, buf, room);
	return n;
}
