// Command iotops keeps a registry of devices and assets, and brings their data
// to MQTT.
package main

import (
	"os"

	"github.com/iotops/iotops/cmd"
)

func main() { os.Exit(cmd.Main()) }
