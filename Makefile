# longship: one non-recursive Makefile. `make help` lists the targets.
VERSION := 0.1.0
PREFIX ?= /usr/local
BUILD ?= build
CC ?= gcc
O ?= -O2

PACKAGES := libsystemd libcurl libpcre2-8 libmicrohttpd gnutls yaml-0.1 nettle jansson zlib
PKG_CFLAGS := $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
PKG_LIBS := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -lsnappy -lm -lpthread

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wimplicit-fallthrough -Wundef
ifeq ($(WERROR),1)
WARNINGS += -Werror
endif
HARDEN := -fstack-protector-strong -fPIE
HARDEN_LD := -pie -Wl,-z,relro,-z,now -Wl,--as-needed
ifdef SAN
SANFLAGS := -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=undefined
O := -O1
else
HARDEN += -D_FORTIFY_SOURCE=2
endif
ALL_CFLAGS := -std=c17 -D_GNU_SOURCE -DLONGSHIP_VERSION='"$(VERSION)"' $(O) -g $(WARNINGS) $(HARDEN) $(SANFLAGS) -Iinclude $(PKG_CFLAGS) $(CFLAGS)
ALL_LDFLAGS := $(HARDEN_LD) $(SANFLAGS) $(LDFLAGS)

SOURCES := $(sort $(wildcard src/*/*.c src/*/*/*.c positions/*.c))
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o)
MAIN := $(BUILD)/src/app/main.o
LIB := $(BUILD)/liblongship.a
UNIT_SOURCES := $(sort $(wildcard tests/unit/test_*.c))
UNIT := $(UNIT_SOURCES:%.c=$(BUILD)/%)

.DELETE_ON_ERROR:
.PHONY: all clean
all: $(BUILD)/longship

$(BUILD)/longship: $(MAIN) $(LIB)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

$(LIB): $(filter-out $(MAIN),$(OBJECTS))
	@rm -f $@
	ar rcs $@ $^

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(LIB)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcmocka $(PKG_LIBS)

# One test: make unit-NAME runs tests/unit/test_NAME.c.
unit-%: $(BUILD)/tests/unit/test_%
	$<

clean:
	rm -rf $(BUILD)

-include $(OBJECTS:.o=.d) $(UNIT:=.d)
