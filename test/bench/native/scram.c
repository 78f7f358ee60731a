#include "scram.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HASH = SHA256_DIGEST_LENGTH, MESSAGE = 1024 };

static char salt[128];
static int iterations;
static unsigned char stored_key[HASH], server_key[HASH];

/* Decodes padded base64; gives the count of octets, or -1. */
static int decode(const char *text, char *octets, size_t size) {
  size_t length = strlen(text);
  if (length % 4 != 0 || length / 4 * 3 > size) return -1;
  int count = EVP_DecodeBlock((unsigned char *)octets, (const unsigned char *)text, (int)length);
  for (size_t at = length; count > 0 && at > length - 2 && at > 0 && text[at - 1] == '='; at -= 1) count -= 1;
  return count;
}

static bool encode(const char *octets, size_t length, char *text, size_t size) {
  if (length / 3 * 4 + 5 > size) return false;
  EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)octets, (int)length);
  return true;
}

static void hmac(const unsigned char *key, const char *text, unsigned char *result) {
  unsigned int length = HASH;
  HMAC(EVP_sha256(), key, HASH, (const unsigned char *)text, strlen(text), result, &length);
}

void scram_use_key(const char *stored) {
  char keys[2][128], octets[128];
  if (sscanf(stored, "%d,%127[^,],%127[^,],%127s", &iterations, salt, keys[0], keys[1]) != 4) {
    fprintf(stderr, "no stored key: %s\n", stored);
    exit(1);
  }
  for (int index = 0; index < 2; index += 1) {
    if (decode(keys[index], octets, sizeof octets) != HASH) {
      fprintf(stderr, "no key of SHA-256: %s\n", keys[index]);
      exit(1);
    }
    memcpy(index == 0 ? stored_key : server_key, octets, HASH);
  }
}

bool scram_first(struct scram *scram, const char *message, char *answer, size_t size) {
  char text[MESSAGE];
  int length = decode(message, text, sizeof text - 1);
  if (length < 0) return false;
  text[length] = 0;
  /* The GS2 header is "n,a=…,": two commas. */
  char *bare = strchr(text, ',');
  bare = bare == NULL ? NULL : strchr(bare + 1, ',');
  if (bare == NULL || strlen(bare + 1) >= sizeof scram->client_first) return false;
  strcpy(scram->client_first, bare + 1);
  const char *nonce = strstr(scram->client_first, ",r=");
  if (nonce == NULL || strlen(nonce) > 256) return false;
  unsigned char random[12];
  char ours[20];
  RAND_bytes(random, sizeof random);
  EVP_EncodeBlock((unsigned char *)ours, random, sizeof random);
  snprintf(scram->server_first, sizeof scram->server_first, "r=%s%s,s=%s,i=%d", nonce + 3, ours, salt, iterations);
  return encode(scram->server_first, strlen(scram->server_first), answer, size);
}

bool scram_final(struct scram *scram, const char *message, char *answer, size_t size) {
  char text[MESSAGE], proof[64], signed_text[3 * MESSAGE];
  int length = decode(message, text, sizeof text - 1);
  if (length < 0) return false;
  text[length] = 0;
  char *given = strstr(text, ",p=");
  if (given == NULL || decode(given + 3, proof, sizeof proof) != HASH) return false;
  *given = 0;
  snprintf(signed_text, sizeof signed_text, "%s,%s,%s", scram->client_first, scram->server_first, text);
  unsigned char signature[HASH], client_key[HASH], hash[HASH];
  hmac(stored_key, signed_text, signature);
  for (int index = 0; index < HASH; index += 1) client_key[index] = signature[index] ^ (unsigned char)proof[index];
  SHA256(client_key, HASH, hash);
  if (CRYPTO_memcmp(hash, stored_key, HASH) != 0) return false;
  hmac(server_key, signed_text, signature);
  char final[64] = "v=";
  EVP_EncodeBlock((unsigned char *)final + 2, signature, HASH);
  return encode(final, strlen(final), answer, size);
}
