package platform

import (
	"fmt"
	"net"
	"net/url"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// passwords of the store servers' administrators by store type.
type passwords map[string]string

// storeName is the name of a store server's objects, and of the Secret with
// its address in the project.
func storeName(store string) string { return "landfall-" + store }

// storeServer is what differs from one store server to the next.
type storeServer struct {
	port int32
	// nodePort is of those that Kubernetes gives to nobody by itself.
	nodePort int32
	folder   string // where its volume is mounted
	args     []string
	env      func(secret string) []corev1.EnvVar
	// files of the Secret, mounted below /etc/landfall.
	files func(password string) map[string]string
	// address for administrators; host has the port, too.
	address   func(password, host string) *url.URL
	probe     corev1.ProbeHandler
	resources corev1.ResourceRequirements
}

var storeServers = map[string]storeServer{
	"mysql": {
		port: 3306, nodePort: 30036, folder: "/var/lib/mysql",
		args: []string{
			"--init-file=/etc/landfall/init.sql", "--skip-name-resolve", "--innodb-buffer-pool-size=48M", "--innodb-log-file-size=16M",
			"--performance-schema=OFF", "--max-connections=600", "--table-open-cache=400", "--key-buffer-size=4M", "--aria-pagecache-buffer-size=8M",
			// Without O_DIRECT it works on every file system.
			"--innodb-flush-method=fsync", "--character-set-server=utf8mb4",
			// What `landfall data copy --follow` reads, for an hour. It is no
			// backup, so that nothing waits for the disk.
			"--log-bin=binlog", "--binlog-format=ROW", "--sync-binlog=0", "--max-binlog-size=64M", "--binlog-expire-logs-seconds=3600", "--server-id=1",
		},
		files: func(password string) map[string]string { return map[string]string{"init.sql": mysqlInit(password)} },
		address: func(password, host string) *url.URL {
			return &url.URL{Scheme: "mysql", User: url.UserPassword("root", password), Host: host}
		},
		probe:     tcpProbe(3306),
		resources: requests("50m", "128Mi", "768Mi"),
	},
	"redis": {
		port: 6379, nodePort: 30079, folder: "/data",
		env: func(secret string) []corev1.EnvVar {
			return []corev1.EnvVar{fromSecret("REDIS_PASSWORD", secret, "password")}
		},
		address: func(password, host string) *url.URL {
			return &url.URL{Scheme: "redis", User: url.UserPassword("default", password), Host: host}
		},
		probe:     tcpProbe(6379),
		resources: requests("20m", "32Mi", "512Mi"),
	},
	"s3": {
		port: 7070, nodePort: 30070, folder: "/data",
		env: func(secret string) []corev1.EnvVar {
			return []corev1.EnvVar{
				{Name: "ROOT_ACCESS_KEY", Value: "landfall"}, fromSecret("ROOT_SECRET_KEY", secret, "password"),
				{Name: "GOMEMLIMIT", Value: "200MiB"},
			}
		},
		address: func(password, host string) *url.URL {
			return &url.URL{Scheme: "s3", User: url.UserPassword("landfall", password), Host: host, RawQuery: "tls=false&users=versitygw"}
		},
		probe:     corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/health", Port: intstr.FromString("store")}},
		resources: requests("20m", "48Mi", "512Mi"),
	},
}

// mysqlInit is run at every start, one statement a line. The password is of
// letters and digits.
func mysqlInit(password string) string {
	return fmt.Sprintf("CREATE USER IF NOT EXISTS 'root'@'%%' IDENTIFIED BY '%[1]s';\n"+
		"ALTER USER 'root'@'%%' IDENTIFIED BY '%[1]s';\n"+
		"GRANT ALL PRIVILEGES ON *.* TO 'root'@'%%' WITH GRANT OPTION;\n", password)
}

// store makes a store server and the Secret by which the project uses it.
func (p plan) store(store string) []client.Object {
	s, name, password := storeServers[store], storeName(store), p.passwords[store]
	secret := map[string]string{"password": password}
	container := corev1.Container{
		Name: store, Image: p.images[storeImages[store]], Args: s.args,
		Ports:          []corev1.ContainerPort{{Name: "store", ContainerPort: s.port}},
		VolumeMounts:   []corev1.VolumeMount{{Name: "data", MountPath: s.folder}, {Name: "tmp", MountPath: "/tmp"}},
		ReadinessProbe: &corev1.Probe{ProbeHandler: s.probe, PeriodSeconds: 2, TimeoutSeconds: 3, FailureThreshold: 5},
		Resources:      s.resources,
	}
	if s.env != nil {
		container.Env = s.env(name)
	}
	volumes := []corev1.Volume{emptyDir("tmp")}
	if s.files != nil {
		container.VolumeMounts = append(container.VolumeMounts, corev1.VolumeMount{Name: "settings", MountPath: "/etc/landfall", ReadOnly: true})
		volumes = append(volumes, corev1.Volume{Name: "settings", VolumeSource: corev1.VolumeSource{
			Secret: &corev1.SecretVolumeSource{SecretName: name, DefaultMode: ptr(int32(0o440))},
		}})
		for file, content := range s.files(password) {
			secret[file] = content
		}
	}
	pod := hardened(container)
	pod.Volumes = volumes
	pod.TerminationGracePeriodSeconds = ptr(int64(60))
	front, host := p.reached(name, s)
	return []client.Object{
		&corev1.Secret{ObjectMeta: named(name), Data: toBytes(secret)},
		front,
		&appsv1.StatefulSet{ObjectMeta: replaceable(name), Spec: appsv1.StatefulSetSpec{
			Replicas: ptr(int32(1)), ServiceName: name, Selector: selector(name),
			// The other policy waits for a broken pod before it replaces it.
			PodManagementPolicy:  appsv1.ParallelPodManagement,
			RevisionHistoryLimit: ptr(int32(1)),
			Template:             corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels(name)}, Spec: pod},
			VolumeClaimTemplates: []corev1.PersistentVolumeClaim{{ObjectMeta: metav1.ObjectMeta{Name: "data"}, Spec: claim("5Gi")}},
		}},
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: p.project, Name: name, Labels: labels(name)},
			Data:       toBytes(map[string]string{"url": s.address(password, host).String()}),
		},
	}
}

// reached is the way to a store server, and its HOST:PORT.
func (p plan) reached(name string, s storeServer) (*corev1.Service, string) {
	front := service(name, corev1.ServicePort{Name: "store", Port: s.port, TargetPort: intstr.FromString("store")})
	if p.node == "" {
		return front, net.JoinHostPort(name+"."+Namespace+".svc", fmt.Sprint(s.port))
	}
	front.Spec.Type, front.Spec.Ports[0].NodePort = corev1.ServiceTypeNodePort, s.nodePort
	return front, net.JoinHostPort(p.node, fmt.Sprint(s.nodePort))
}

func toBytes(values map[string]string) map[string][]byte {
	data := make(map[string][]byte, len(values))
	for key, value := range values {
		data[key] = []byte(value)
	}
	return data
}

func fromSecret(variable, secret, key string) corev1.EnvVar {
	return corev1.EnvVar{Name: variable, ValueFrom: &corev1.EnvVarSource{
		SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: secret}, Key: key},
	}}
}

func tcpProbe(port int32) corev1.ProbeHandler {
	return corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(port)}}
}
