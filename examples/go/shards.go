package inturn

import "fmt"

const slots = 16384

// ShardOf gives a user's shard.
func ShardOf(user string, shards int) int {
	return int(crc16(user)) % shards
}

// ShardPrefix gives a shard's prefix, with the smallest k whose tag is in the shard's part of the slots.
func ShardPrefix(name string, shard, shards int) string {
	for k := 0; ; k++ {
		tag := fmt.Sprintf("%s:%d:%d", name, shard, k)
		if int(crc16(tag))%slots*shards/slots == shard {
			return "{" + tag + "}:"
		}
	}
}

// crc16 is CRC16/XMODEM, the checksum of Redis Cluster.
func crc16(bytes string) uint16 {
	var crc uint16
	for i := range len(bytes) {
		crc ^= uint16(bytes[i]) << 8
		for range 8 {
			if carry := crc&0x8000 != 0; carry {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}
