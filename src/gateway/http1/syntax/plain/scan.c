// One pass over a message head in memory, 16 bytes at a time: checks every byte, finds the end, notes the fields that
// the gateway decides about and puts the others together. It knows the plain spelling alone; whatever else it meets
// makes it answer 0, and the parser of text judges the head. So it must never accept what that one refuses, nor read
// it in another way: heads.test.ts compares the two.
//
// Reads up to 48 bytes behind `end` and writes up to 15 behind what it packs: the memory is there (read-buffer.ts).

#include <stdint.h>
#include <wasm_simd128.h>

#define EXPORT(name) __attribute__((export_name(name)))

typedef uint8_t byte;

// What is found, in the order of OUT in scanner.ts. Places are offsets in the memory.
enum {
  METHOD_OR_STATUS,
  FIRST_AT, // of the target, or of the reason phrase: from and to, in the text
  FIRST_END,
  MINOR,
  COUNT, // of field lines, the dropped ones too
  FLAGS,
  LENGTH,
  TEXT_TO, // the head as it is sent on, from where it was to be packed
  FIELDS_AT, // in it
  FIELDS_END,
  // Of a response with a length: behind its empty line; what follows is the whole body. Of a request that is whole in the
  // text, with what the gateway says of the client: where other lines of the gateway's own belong. 0: neither.
  READY_AT,
  HOST_FROM,
  HOST_TO,
  VALUES, // then pairs, in the order of the enum below; from = 0: there is none
};
enum { FORWARDED_FOR, FORWARDED_PROTO, FORWARDED_HOST, REQUEST_ID, KEEP_ALIVE_VALUE, VALUES_COUNT };
enum { KEEP_ALIVE = 1, CLOSE = 2, CHUNKED = 4, HAS_LENGTH = 8, HAS_HOST = 16 };

static int out[VALUES + 2 * VALUES_COUNT];

EXPORT("out") int *out_place(void) { return out; }

static inline int place(const byte *p) { return (int)(uintptr_t)p; }

static inline uint64_t load8(const byte *p) {
  uint64_t word;
  __builtin_memcpy(&word, p, 8);
  return word;
}

static inline uint32_t load4(const byte *p) {
  uint32_t word;
  __builtin_memcpy(&word, p, 4);
  return word;
}

// Names are letters, digits and '-' here, of which setting bit 5 folds the capital letters alone.
static inline uint64_t lower8(const byte *p) { return load8(p) | 0x2020202020202020ull; }

#define WORD(a, b, c, d, e, f, g, h)                                                                       \
  ((uint64_t)(a) | (uint64_t)(b) << 8 | (uint64_t)(c) << 16 | (uint64_t)(d) << 24 | (uint64_t)(e) << 32 | \
   (uint64_t)(f) << 40 | (uint64_t)(g) << 48 | (uint64_t)(h) << 56)

#define WORD4(a, b, c, d) ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)

static inline v128_t splat(int value) { return wasm_i8x16_splat((int8_t)value); }

static inline v128_t within(v128_t v, int from, int to) {
  return wasm_u8x16_le(wasm_i8x16_sub(v, splat(from)), splat(to - from));
}

// The first byte that is no letter, digit or '-'.
static inline const byte *name_end(const byte *p, const byte *end) {
  for (; p < end; p += 16) {
    v128_t v = wasm_v128_load(p);
    v128_t letter = within(wasm_v128_or(v, splat(0x20)), 'a', 'z');
    v128_t digit = within(v, '0', '9');
    v128_t good = wasm_v128_or(wasm_v128_or(letter, digit), wasm_i8x16_eq(v, splat('-')));
    uint32_t bad = wasm_i8x16_bitmask(good) ^ 0xffff;
    if (bad) return p + __builtin_ctz(bad);
  }
  return p;
}

// The first byte that cannot be in a field value: a control character but the tab.
static inline const byte *text_end(const byte *p, const byte *end) {
  for (; p < end; p += 16) {
    v128_t v = wasm_v128_load(p);
    v128_t control = wasm_v128_andnot(wasm_u8x16_lt(v, splat(0x20)), wasm_i8x16_eq(v, splat('\t')));
    uint32_t bad = wasm_i8x16_bitmask(wasm_v128_or(control, wasm_i8x16_eq(v, splat(0x7f))));
    if (bad) return p + __builtin_ctz(bad);
  }
  return p;
}

// The first byte that cannot be in a target: all but 0x21 to 0x7e without '#'.
static inline const byte *target_end(const byte *p, const byte *end) {
  for (; p < end; p += 16) {
    v128_t v = wasm_v128_load(p);
    v128_t good = wasm_v128_andnot(within(v, 0x21, 0x7e), wasm_i8x16_eq(v, splat('#')));
    uint32_t bad = wasm_i8x16_bitmask(good) ^ 0xffff;
    if (bad) return p + __builtin_ctz(bad);
  }
  return p;
}

// The caller has room for 15 bytes more.
static inline byte *copy(byte *to, const byte *from, int bytes) {
  for (int at = 0; at < bytes; at += 16) wasm_v128_store(to + at, wasm_v128_load(from + at));
  return to + bytes;
}

enum {
  ORDINARY,
  DROPPED,
  ODD, // needs more thought than there is here
  LENGTH_FIELD,
  CODING,
  CONNECTION,
  KEEP_ALIVE_FIELD,
  HOST,
  VALUE, // and which one: VALUE + FORWARDED_FOR …
};

// The same names as in fields.ts.
static inline int kind_of(const byte *name, int length, int is_request, int takes_id) {
  if (length < 8) {
    uint64_t word = lower8(name) << (64 - 8 * length);
#define SHORT(a, b, c, d, e, f, g, h) (word == WORD(a, b, c, d, e, f, g, h))
    switch (length) {
      case 2:
        return SHORT(0, 0, 0, 0, 0, 0, 't', 'e') ? DROPPED : ORDINARY;
      case 4:
        return is_request && SHORT(0, 0, 0, 0, 'h', 'o', 's', 't') ? HOST : ORDINARY;
      case 6:
        return is_request && SHORT(0, 0, 'e', 'x', 'p', 'e', 'c', 't') ? ODD : ORDINARY;
      case 7:
        if (SHORT(0, 'u', 'p', 'g', 'r', 'a', 'd', 'e')) return ODD;
        return SHORT(0, 't', 'r', 'a', 'i', 'l', 'e', 'r') ? DROPPED : ORDINARY;
      default:
        return ORDINARY;
    }
  }
  uint64_t first = lower8(name);
  uint64_t last = lower8(name + length - 8);
#define FIRST(a, b, c, d, e, f, g, h) (first == WORD(a, b, c, d, e, f, g, h))
#define LAST(a, b, c, d, e, f, g, h) (last == WORD(a, b, c, d, e, f, g, h))
  switch (length) {
    case 9:
      if (!is_request) break;
      if (FIRST('f', 'o', 'r', 'w', 'a', 'r', 'd', 'e') && LAST('o', 'r', 'w', 'a', 'r', 'd', 'e', 'd')) return DROPPED;
      if (FIRST('x', '-', 'r', 'e', 'a', 'l', '-', 'i') && LAST('-', 'r', 'e', 'a', 'l', '-', 'i', 'p')) return DROPPED;
      break;
    case 10:
      if (FIRST('c', 'o', 'n', 'n', 'e', 'c', 't', 'i') && LAST('n', 'n', 'e', 'c', 't', 'i', 'o', 'n')) return CONNECTION;
      if (FIRST('k', 'e', 'e', 'p', '-', 'a', 'l', 'i') && LAST('e', 'p', '-', 'a', 'l', 'i', 'v', 'e'))
        return KEEP_ALIVE_FIELD;
      break;
    case 11:
      if (is_request && FIRST('x', '-', 'f', 'o', 'r', 'w', 'a', 'r') && LAST('o', 'r', 'w', 'a', 'r', 'd', 'e', 'd'))
        return DROPPED;
      break;
    case 12:
      if (takes_id && FIRST('x', '-', 'r', 'e', 'q', 'u', 'e', 's') && LAST('q', 'u', 'e', 's', 't', '-', 'i', 'd'))
        return VALUE + REQUEST_ID;
      break;
    case 13:
      if (is_request && FIRST('f', 'o', 'r', 'w', 'a', 'r', 'd', 'e') && LAST('r', 'd', 'e', 'd', '-', 'f', 'o', 'r'))
        return DROPPED;
      break;
    case 14:
      if (FIRST('c', 'o', 'n', 't', 'e', 'n', 't', '-') && LAST('t', '-', 'l', 'e', 'n', 'g', 't', 'h'))
        return LENGTH_FIELD;
      if (FIRST('h', 't', 't', 'p', '2', '-', 's', 'e') && LAST('s', 'e', 't', 't', 'i', 'n', 'g', 's')) return DROPPED;
      break;
    case 16:
      if (FIRST('p', 'r', 'o', 'x', 'y', '-', 'c', 'o') && LAST('n', 'n', 'e', 'c', 't', 'i', 'o', 'n')) return DROPPED;
      break;
    case 17:
      if (FIRST('t', 'r', 'a', 'n', 's', 'f', 'e', 'r') && name[8] == '-' && LAST('e', 'n', 'c', 'o', 'd', 'i', 'n', 'g'))
        return CODING;
      break;
    case 18:
      // proxy-authenticate: the two bytes between are 'u' and 't'.
      if (FIRST('p', 'r', 'o', 'x', 'y', '-', 'a', 'u') && (name[8] | 0x20) == 't' && (name[9] | 0x20) == 'h' &&
          LAST('e', 'n', 't', 'i', 'c', 'a', 't', 'e'))
        return DROPPED;
      break;
    case 19:
      if (FIRST('p', 'r', 'o', 'x', 'y', '-', 'a', 'u') && lower8(name + 8) == WORD('t', 'h', 'o', 'r', 'i', 'z', 'a', 't') &&
          LAST('r', 'i', 'z', 'a', 't', 'i', 'o', 'n'))
        return DROPPED;
      break;
    default:
      break;
  }
  // X-Forwarded-*.
  if (!is_request || length < 12 || !FIRST('x', '-', 'f', 'o', 'r', 'w', 'a', 'r')) return ORDINARY;
  if ((name[8] | 0x20) != 'd' || (name[9] | 0x20) != 'e' || (name[10] | 0x20) != 'd' || name[11] != '-') return ORDINARY;
  if (length == 15 && LAST('r', 'd', 'e', 'd', '-', 'f', 'o', 'r')) return VALUE + FORWARDED_FOR;
  if (length == 16 && LAST('d', 'e', 'd', '-', 'h', 'o', 's', 't')) return VALUE + FORWARDED_HOST;
  if (length == 17 && LAST('e', 'd', '-', 'p', 'r', 'o', 't', 'o')) return VALUE + FORWARDED_PROTO;
  return DROPPED;
}

// Setting bit 5 makes a letter of the capital alone, and a '-' of what no value holds.
static inline int is_word(const byte *value, int length, const char *word, int word_length) {
  if (length != word_length) return 0;
  for (int at = 0; at < length; at += 1) {
    if ((value[at] | 0x20) != (byte)word[at]) return 0;
  }
  return 1;
}

// Up to nine digits.
static inline int number_of(const byte *value, int length) {
  if (length > 9) return -1;
  int number = 0;
  for (int at = 0; at < length; at += 1) {
    int digit = value[at] - '0';
    if (digit < 0 || digit > 9) return -1;
    number = number * 10 + digit;
  }
  return number;
}

static inline byte *put_text(byte *to, const char *text, int bytes) { return copy(to, (const byte *)text, bytes); }

static inline byte *put_framing(byte *to, int flags) {
  if (flags & CHUNKED) return put_text(to, "Transfer-Encoding: chunked\r\n     ", 28);
  if (!(flags & HAS_LENGTH)) return to;
  to = put_text(to, "Content-Length: ", 16);
  int digits = 1;
  for (int rest = out[LENGTH]; rest > 9; rest /= 10) digits += 1;
  for (int rest = out[LENGTH], at = digits - 1; at >= 0; at -= 1, rest /= 10) to[at] = (byte)('0' + rest % 10);
  to[digits] = '\r';
  to[digits + 1] = '\n';
  return to + digits + 2;
}

static inline byte *put_line_end(byte *to) {
  to[0] = '\r';
  to[1] = '\n';
  return to + 2;
}

// Of a body that is whole: up to here it goes with the head's text, and not by a copy of its own.
#define TEXT_BODY_MAX 1024

// Behind the fields of a response: the length, the empty line, and the body where that is short and here.
static inline byte *finish_response(byte *packed, const byte *text, const byte *body, const byte *end, int flags) {
  if (!(flags & HAS_LENGTH)) return packed;
  packed = put_line_end(put_framing(packed, flags));
  out[READY_AT] = (int)(packed - text);
  if (out[LENGTH] > TEXT_BODY_MAX || end - body < out[LENGTH]) return packed;
  return copy(packed, body, out[LENGTH]);
}

// What the gateway says of the client, in front of the value of Host and behind it.
struct said {
  const byte *before;
  int before_bytes;
  const byte *after;
  int after_bytes;
};

// Behind the fields of a request: what is said of the client, how its body is framed, the empty line.
static inline byte *finish_request(byte *packed, const byte *text, int flags, const struct said *said) {
  packed = copy(packed, said->before, said->before_bytes);
  packed = copy(packed, (const byte *)(uintptr_t)out[HOST_FROM], out[HOST_TO] - out[HOST_FROM]);
  packed = put_line_end(packed);
  packed = copy(packed, said->after, said->after_bytes);
  out[READY_AT] = (int)(packed - text);
  return put_line_end(put_framing(packed, flags));
}

// The field lines from `p` to the empty line, of a head that begins at `start`. The place behind it, or 0.
static inline int scan_fields(const byte *start, const byte *p, const byte *end, byte *pack,
                              const struct said *said, int is_request, int takes_id) {
  const byte *run = start; // [run, p) is kept as it is.
  byte *packed = pack;
  out[FIELDS_AT] = (int)(p - start);
  int flags = 0, count = 0;
  out[HOST_FROM] = 0;
  for (int at = VALUES; at < VALUES + 2 * VALUES_COUNT; at += 2) out[at] = 0;
  for (;; count += 1) {
    if (end - p < 2) return 0;
    if (p[0] == '\r') {
      if (p[1] != '\n') return 0;
      break;
    }
    const byte *line = p;
    const byte *colon = name_end(p, end);
    const byte *value = colon + 2;
    // Whether all of this lies in front of `end` shows at the start of the next line.
    if (colon == line || colon[0] != ':' || colon[1] != ' ' || value[0] == ' ' || value[0] == '\t') return 0;
    const byte *stop = text_end(value, end);
    if (stop[0] != '\r' || stop[1] != '\n' || stop[-1] == ' ' || stop[-1] == '\t') return 0;
    int length = (int)(stop - value);
    p = stop + 2;
    int kind = kind_of(line, (int)(colon - line), is_request, takes_id);
    if (kind == ORDINARY) continue;
    if (kind == HOST && count == 0 && load4(line) == WORD4('H', 'o', 's', 't')) {
      // It stays where it is: as we would write it.
      flags |= HAS_HOST;
      out[HOST_FROM] = place(value);
      out[HOST_TO] = place(stop);
      out[FIELDS_AT] = (int)(p - start);
      continue;
    }
    packed = copy(packed, run, (int)(line - run));
    run = p;
    switch (kind) {
      case DROPPED:
        break;
      case LENGTH_FIELD: {
        int number = number_of(value, length);
        if (number < 0 || flags & HAS_LENGTH) return 0;
        flags |= HAS_LENGTH;
        out[LENGTH] = number;
        break;
      }
      case CODING:
        if (flags & CHUNKED || !is_word(value, length, "chunked", 7)) return 0;
        flags |= CHUNKED;
        break;
      case CONNECTION:
        if (is_word(value, length, "keep-alive", 10)) flags |= KEEP_ALIVE;
        else if (is_word(value, length, "close", 5)) flags |= CLOSE;
        else return 0;
        break;
      case KEEP_ALIVE_FIELD:
        out[VALUES + 2 * KEEP_ALIVE_VALUE] = place(value);
        out[VALUES + 2 * KEEP_ALIVE_VALUE + 1] = place(stop);
        break;
      case HOST:
        if (out[HOST_FROM]) return 0;
        out[HOST_FROM] = place(value);
        out[HOST_TO] = place(stop);
        break;
      case ODD:
        return 0;
      default: {
        int *pair = out + VALUES + 2 * (kind - VALUE);
        if (pair[0]) return 0;
        pair[0] = place(value);
        pair[1] = place(stop);
      }
    }
  }
  out[COUNT] = count;
  out[FLAGS] = flags;
  out[READY_AT] = 0;
  packed = copy(packed, run, (int)(p - run));
  out[FIELDS_END] = (int)(packed - pack);
  if (!is_request) packed = finish_response(packed, pack, p + 2, end, flags);
  else if (said->before_bytes && flags & HAS_HOST && out[MINOR]) packed = finish_request(packed, pack, flags, said);
  out[TEXT_TO] = place(packed);
  return place(p + 2);
}

// In the order of METHODS in heads.ts.
static inline int method_of(const byte *p, int length) {
  uint64_t word = load8(p) << (64 - 8 * length);
  switch (length) {
    case 3:
      return SHORT(0, 0, 0, 0, 0, 'G', 'E', 'T') ? 1 : SHORT(0, 0, 0, 0, 0, 'P', 'U', 'T') ? 2 : 0;
    case 4:
      return SHORT(0, 0, 0, 0, 'P', 'O', 'S', 'T') ? 3 : SHORT(0, 0, 0, 0, 'H', 'E', 'A', 'D') ? 4 : 0;
    case 5:
      return SHORT(0, 0, 0, 'P', 'A', 'T', 'C', 'H') ? 5 : 0;
    case 6:
      return SHORT(0, 0, 'D', 'E', 'L', 'E', 'T', 'E') ? 6 : 0;
    case 7:
      return SHORT(0, 'O', 'P', 'T', 'I', 'O', 'N', 'S') ? 7 : 0;
    default:
      return 0;
  }
}

EXPORT("request") int scan_request(const byte *start, const byte *end, byte *pack, int takes_id, const byte *before,
                                   int before_bytes, const byte *after, int after_bytes) {
  int length = 3;
  while (length < 8 && start[length] != ' ') length += 1;
  int method = method_of(start, length);
  const byte *target = start + length + 1;
  if (!method || target[0] != '/') return 0;
  const byte *stop = target_end(target, end);
  if (load8(stop) != WORD(' ', 'H', 'T', 'T', 'P', '/', '1', '.')) return 0;
  if ((stop[8] | 1) != '1' || stop[9] != '\r' || stop[10] != '\n') return 0;
  out[METHOD_OR_STATUS] = method;
  out[FIRST_AT] = (int)(target - start);
  out[FIRST_END] = (int)(stop - start);
  out[MINOR] = stop[8] - '0';
  const struct said said = {before, before_bytes, after, after_bytes};
  return scan_fields(start, stop + 11, end, pack, &said, 1, takes_id);
}

EXPORT("response") int scan_response(const byte *start, const byte *end, byte *pack) {
  // `HTTP/1.1 ` and three digits.
  if (load8(start) != WORD('H', 'T', 'T', 'P', '/', '1', '.', '1') || start[8] != ' ') return 0;
  int hundreds = start[9] - '0', tens = start[10] - '0', ones = start[11] - '0';
  if (hundreds < 2 || hundreds > 5 || tens < 0 || tens > 9 || ones < 0 || ones > 9) return 0;
  const byte *reason = start + 12;
  const byte *stop = reason;
  if (*reason == ' ') {
    reason += 1;
    stop = text_end(reason, end);
    // Blanks around it are not a part of it.
    if (stop > reason && (*reason == ' ' || *reason == '\t' || stop[-1] == ' ' || stop[-1] == '\t')) return 0;
  }
  if (stop[0] != '\r' || stop[1] != '\n') return 0;
  out[METHOD_OR_STATUS] = hundreds * 100 + tens * 10 + ones;
  out[FIRST_AT] = (int)(reason - start);
  out[FIRST_END] = (int)(stop - start);
  return scan_fields(start, stop + 2, end, pack, 0, 0, 0);
}

// The values of Host that came lately: which one it is costs less than to make its text anew.
#define HOST_BYTES_MAX 64
#define NEW_HOST 256
// In the second half of the first page: as variables they would be a part of the code, which has to say that all are 0.
static byte (*const hosts)[HOST_BYTES_MAX] = (byte (*)[HOST_BYTES_MAX])0x8000;
static byte *const host_lengths = (byte *)0xc000;

// One of 256 places, and NEW_HOST if it stood for another value before; -1: the value has no place. The caller has to
// take over what the place stands for now.
EXPORT("host") int look_up_host(const byte *value, const byte *end) {
  int length = (int)(end - value);
  if (length > HOST_BYTES_MAX) return -1;
  uint64_t mixed = (load8(value) ^ load8(value + length - 8) ^ (uint64_t)length) * 0x9e3779b97f4a7c15ull;
  int at = (int)(mixed >> 56);
  byte *known = hosts[at];
  int is_new = host_lengths[at] != length;
  for (int i = 0; i < length; i += 1) {
    is_new |= known[i] != value[i];
    known[i] = value[i];
  }
  host_lengths[at] = (byte)length;
  return is_new ? at + NEW_HOST : at;
}
