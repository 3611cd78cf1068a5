package opcua

import (
	"math"
	"strconv"
	"time"
)

// machine is one machine of the sample plant with its variables.
type machine struct {
	id, name string
	points   []moving
}

// moving is a variable that moves by itself.
type moving struct {
	id, name string
	every    int // beats between two values
	value    func(n int) any
}

func wave(mid, swing, period float64) func(int) any {
	return func(n int) any { return math.Round((mid+swing*math.Sin(2*math.Pi*float64(n)/period))*100) / 100 }
}

func steps(words ...string) func(int) any {
	return func(n int) any { return words[n/50%len(words)] }
}

func count(from uint32) func(int) any {
	return func(n int) any { return from + uint32(n/7) } //nolint:gosec // a counter that wraps, as counters do
}

// plant is what the sample plant consists of.
func plant() []machine {
	return []machine{
		{"Oven", "Oven", []moving{
			{"Temperature", "Temperature", 10, wave(182, 6, 600)},
			{"Setpoint", "Setpoint", 100, func(int) any { return 180.0 }},
			{"HeaterOn", "HeaterOn", 10, func(n int) any { return math.Sin(2*math.Pi*float64(n)/600) < 0.2 }},
			{"DoorOpen", "DoorOpen", 10, func(n int) any { return n%300 > 285 }},
			{"Batch", "Batch", 100, steps("B-1041", "B-1042", "B-1043")},
		}},
		{"Press", "Press", []moving{
			{"Force", "Force", 2, wave(120, 95, 40)},
			{"Position", "Position", 2, wave(250, 240, 40)},
			{"OilTemperature", "OilTemperature", 10, wave(54, 3, 900)},
			{"Strokes", "Strokes", 10, count(88_000)},
			{"State", "State", 10, steps("Running", "Running", "Running", "Idle")},
		}},
		{"Conveyor", "Conveyor", []moving{
			{"Speed", "Speed", 10, wave(1.2, 0.1, 300)},
			{"Pieces", "Pieces", 10, count(5000)},
			{"MotorCurrent", "MotorCurrent", 5, wave(7.5, 1.5, 60)},
			{"Jam", "Jam", 10, func(n int) any { return n%900 > 890 }},
		}},
		{"Tank", "Tank", []moving{
			{"Level", "Level", 10, wave(64, 20, 1200)},
			{"Inflow", "Inflow", 10, wave(12, 4, 400)},
			{"Temperatures", "Temperatures", 20, func(n int) any {
				x := math.Sin(float64(n) / 80)
				return []float64{math.Round((21+x)*10) / 10, math.Round((23+x)*10) / 10, math.Round((24+2*x)*10) / 10}
			}},
		}},
	}
}

// AddPlant adds a small plant whose values move. The node id of a value is
// ns=2;s=MACHINE.NAME, such as ns=2;s=Oven.Temperature.
func (s *Server) AddPlant() {
	root := s.Objects().Folder("Plant", "Plant")
	for _, m := range plant() {
		folder := root.Folder(m.id, m.name)
		for _, p := range m.points {
			v := folder.Variable(m.id+"."+p.id, p.name, p.value(0))
			s.Every(func(n int) {
				if n%p.every == 0 {
					v.Set(p.value(n))
				}
			})
		}
	}
}

// AddCounters adds n counters that each go up by one with every beat: the node
// id of one is ns=2;s=Counter.N.
func (s *Server) AddCounters(n int) {
	folder := s.Objects().Folder("Counters", "Counters")
	list := make([]*Variable, n)
	for i := range list {
		name := "Counter." + strconv.Itoa(i)
		list[i] = folder.Variable(name, name, uint32(0))
	}
	s.Every(func(n int) {
		at := time.Now()
		for _, v := range list {
			v.SetAt(uint32(n), at) //nolint:gosec // a counter that wraps
		}
	})
}

// Machines returns the machines of the sample plant with their values: names
// by machine, in order.
func Machines() []Machine {
	machines := plant()
	list := make([]Machine, 0, len(machines))
	for _, m := range machines {
		x := Machine{Name: m.name}
		for _, p := range m.points {
			x.Points = append(x.Points, Point{p.name, "ns=2;s=" + m.id + "." + p.id})
		}
		list = append(list, x)
	}
	return list
}

// Machine is one machine of the sample plant.
type Machine struct {
	Name   string
	Points []Point
}

// Point is one value of a Machine.
type Point struct{ Name, NodeID string }
