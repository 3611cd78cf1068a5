package opcua_test
import ("testing";"time"
"github.com/iotops/iotops/internal/connector/connectortest"
	simulate "github.com/iotops/iotops/internal/simulate/opcua"
)
func TestZZ(t *testing.T) {
	s := newSimulated(t, simulate.Options{})
	h := connectortest.NewHost(s.conn)
	h.Start(t, connectortest.Assignment(s, map[string][]int{"oven": {}}))
	time.Sleep(300*time.Millisecond)
	h.Update(connectortest.Assignment(s, map[string][]int{"oven": {0}}))
	time.Sleep(1*time.Second)
	t.Log(len(h.Out.Messages()), h.Log.String(), s.Items(), s.Stats().Notifications.Load(), s.Unacknowledged())
	s.Set(0, 5)
	time.Sleep(1*time.Second)
	t.Log(len(h.Out.Messages()), h.Log.String(), s.Items(), s.Stats().Notifications.Load(), s.Unacknowledged())
	for _, m := range h.Out.Messages() { t.Log(m.Topic, string(m.Payload)) }
}
