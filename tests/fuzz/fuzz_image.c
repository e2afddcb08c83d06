/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer against ELF images: a small one, both mapped and as a file, with damage
 * done to it.  Each five bytes of input do one piece: where (two bytes), and a byte,
 * or with the top bit of the place three bytes and what they carry into.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "stub/base/image.h"
#include "tests/fake/tiny_elf.h"

#define BASE 0x10000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct input {
	const uint8_t *data;
	size_t len;
};

static size_t read_input(void *ctx, uint64_t addr, void *buf, size_t len)
{
	const struct input *in = ctx;
	if (addr < BASE || addr - BASE >= in->len)
		return 0;
	size_t n = in->len - (size_t)(addr - BASE) < len ? in->len - (size_t)(addr - BASE) : len;
	memcpy(buf, in->data + (addr - BASE), n);
	return n;
}

static const struct mem_ops input_ops = { .read = read_input };

static void look_around(struct image *img)
{
	struct image_symbol sym;
	uint8_t id[64];
	(void)image_find_dynamic(img, "_PyRuntime", &sym);
	(void)image_find_static(img, "_PyRuntime", &sym);
	(void)image_find_section(img, ".PyRuntime", &sym);
	(void)image_build_id(img, id, sizeof(id));
}

static void damage(uint8_t *image, const uint8_t d[5])
{
	size_t at = (d[0] | (size_t)d[1] << 8) & 0x7fff;
	if (!(d[1] & 0x80)) {
		image[at % sizeof(struct tiny_elf)] = d[2];
		return;
	}
	uint64_t value = d[2] | (uint64_t)d[3] << 8 | (uint64_t)d[4] << 56;
	memcpy(image + at % (sizeof(struct tiny_elf) - 8), &value, 8);
}

static void look_at_file(struct image *img, const void *data, size_t len)
{
	int fd = memfd_create("image", MFD_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, data, len) != (ssize_t)len) {
		close(fd);
		return;
	}
	err_drop(image_add_file(img, fd));
	look_around(img);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct tiny_elf elf;
	struct input in = { (const uint8_t *)&elf, sizeof(elf) };
	struct mem mem;
	struct image img;

	tiny_elf_make(&elf, len & 1);
	for (; len >= 5; data += 5, len -= 5)
		damage((uint8_t *)&elf, data);
	if (mem_init(&mem, &input_ops, &in, 8))
		return 0;
	struct err *err = image_open(&mem, BASE, &img);
	if (!err) {
		look_around(&img);
		look_at_file(&img, &elf, sizeof(elf));
		image_deinit(&img);
	}
	err_drop(err);
	mem_deinit(&mem);
	return 0;
}
