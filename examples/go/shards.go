package inturn

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
)

const slots = 16384

// OpenShards opens all shards, if clients of this number are not refused: several shards meet where one would be.
func OpenShards(ctx context.Context, options *redis.Options, lua, prefix string, shards int) ([]*Shard, error) {
	common, err := Open(options, lua, prefix, shards)
	if err != nil || shards == 1 { // the scripts of one will tell
		return []*Shard{common}, err
	}
	if _, err := answered(ctx, func() (any, error) { return nil, common.shakeHands(ctx) }); err != nil {
		return nil, err
	}
	all := make([]*Shard, shards)
	for i := range all {
		if all[i], err = Open(options, lua, ShardPrefix(cmp.Or(prefix, "inturn"), i, shards), shards); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (s *Shard) shakeHands(ctx context.Context) error {
	key := s.keys("protocol")[0]
	inForce, err := s.redis.Get(ctx, key).Result()
	if err == redis.Nil {
		err = s.redis.SetArgs(ctx, key, s.version, redis.SetArgs{Mode: "NX"}).Err()
		if err != nil && err != redis.Nil && !redis.HasErrorPrefix(err, "OOM") { // what waits in a full Redis has to be drained
			return err
		}
		inForce, err = s.redis.Get(ctx, key).Result()
	}
	switch {
	case errors.Is(err, redis.Nil), err == nil && inForce == s.version:
		return nil
	case err == nil:
		return ErrProtocol
	}
	return err
}

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
