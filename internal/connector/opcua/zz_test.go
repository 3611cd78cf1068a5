package opcua_test
import ("testing";"fmt";"context"
"github.com/iotops/iotops/internal/connector/connectortest"
"github.com/iotops/iotops/internal/emit"
"github.com/iotops/iotops/internal/testkit/record"
	simulate "github.com/iotops/iotops/internal/simulate/opcua"
"github.com/iotops/iotops/pkg/connector"
"github.com/iotops/iotops/pkg/value"
)
func TestZZ(t *testing.T) {
	s := newSimulated(t, simulate.Options{})
	out := record.New()
	e := emit.New(emit.Options{Style: connector.StyleOPCUA, Out: out})
	e.Update(connectortest.Assignment(s, map[string][]int{"oven": {}}))
	a, r := e.Update(connectortest.Assignment(s, map[string][]int{"oven": {0}}))
	fmt.Println(len(a), r)
	fmt.Println(e.Put(a[0].Handle, &value.Sample{Value: value.OfFloat64(0)}))
	fmt.Println(e.Flush(context.Background(), connector.Cycle{}))
	for _, m := range out.Messages() { fmt.Println(m.Topic, string(m.Payload)) }
	fmt.Println(record.Points(out.Messages(), connectortest.Topic("oven"), "p0"))
}
