package secret
import ("testing";"strings";"time")
func TestZ(t *testing.T){ for _,u:=range []string{"a:","a=","-p ","mysql -p","a://:","a ","?auth=","-u a:","<secret "} { for _,n:=range []int{20000,40000} { s:=strings.Repeat(u,n/len(u)); b:=time.Now(); Redact(s,func(string)string{return "x"}); t.Log(u,n,time.Since(b)) } } }
