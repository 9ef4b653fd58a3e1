package mask

import "strings"

// Names are plain ASCII, so that any character set takes them.
var (
	firstNames = strings.Fields(`Ada Alba Amir Anouk Arlo Asha Bela Boris Cara Chen Clara Dario Dina Edda Elio Emre
		Enzo Esra Eva Faye Finn Flora Gita Goran Greta Hana Hugo Ida Igor Ilse Ines Ivan Jana Jonas Judith Kai
		Kemal Kira Lars Leda Lina Luca Maja Malik Mara Mei Milo Mina Nadia Nils Noor Olga Omar Otto Paula Petra
		Quinn Ravi Rosa Sami Selma Silas Tara Theo Tilda Ugo Uma Vera Viktor Willa Yara Yusuf Zeno Zoe`)
	lastNames = strings.Fields(`Abel Adler Alvarez Amato Arslan Bakker Baran Bauer Bennet Berg Blum Bosch Brandt
		Carter Castell Cohen Conti Costa Cruz Dahl Danner Demir Dubois Eder Ekman Engel Fabian Falk Farkas Fiore
		Fischer Garcia Gruber Haas Hagen Hahn Heller Holm Horvat Ito Jansen Jensen Kaiser Kaplan Keller Klein Kovac
		Kramer Lang Larsen Lehner Lindt Lopez Maier Marin Martin Meyer Moreau Moser Nagy Navarro Novak Olsen Ortega
		Pavlov Peters Popov Rask Reiter Ricci Rossi Roth Sato Schmid Serra Silva Simon Sommer Stein Suter Tanaka
		Thal Toth Unger Vidal Vogel Wagner Weber Weiss Winter Wolf Yilmaz Zeman`)
)

// nameChanger picks names by the one that is there. Two people may get the
// same, as in life.
func nameChanger(kind Kind) changer {
	return func(s *scratch, dst, value, _ []byte) []byte {
		if len(value) == 0 {
			return dst
		}
		bits := s.bits(forName, s.folded(value))
		if kind != LastName {
			dst = append(dst, pick(firstNames, bits[:4])...)
		}
		if kind == Name {
			dst = append(dst, ' ')
		}
		if kind != FirstName {
			dst = append(dst, pick(lastNames, bits[4:8])...)
		}
		return dst
	}
}

func pick(names []string, bits []byte) string {
	x := uint32(bits[0]) | uint32(bits[1])<<8 | uint32(bits[2])<<16 | uint32(bits[3])<<24
	return names[x%uint32(len(names))]
}
